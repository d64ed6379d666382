"""The ideal coherent 4f system on a periodic grid, as fast as its transforms allow.

On the periodic grid the mask has one sample per sample of the images' spectrum (mask pitch `lambda f / (n p)`,
the pitch of `lens_transform`), so that two lens transforms and the camera's flip are

    intensity = |ifft2c(mask * fft2c(images))|^2

a circular convolution with the mask's point-spread function, upright. `FourF` is the bench with its real
apertures and pixels; this is the case that costs least. What makes it fast: `re^2 + im^2` instead of
`abs()**2`, half-spectrum transforms of real images, one transform backwards, no shifts (a centred spectrum is
a field with alternating signs, which no intensity sees), planes taken one at a time so that they stay in
cache, and workspace that is kept.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from optics.checks import ShapeError, check_shape
from optics.conventions import complex_dtype, real_dtype
from optics.wave.fourier import check_plane

_BLOCK = 1 << 17
"""Complex samples that are worked on at a time: 1 MB in single precision."""

_ROOT2 = math.sqrt(2.0)


class Workspace:
    """Tensors that are used again: taken for a step, given back when nothing needs them any more.

    Taking and giving are single operations on a list, so threads may share one. It is not part of a module's
    state.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[object, ...], list[Tensor]] = {}

    def take(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """An uninitialised tensor of this shape, of the dtype and device of `like`."""
        kept = self._free.get((shape, like.dtype, like.device))
        try:
            return kept.pop() if kept is not None else like.new_empty(shape)
        except IndexError:
            return like.new_empty(shape)

    def give(self, tensor: Tensor) -> None:
        """Return what `take` gave; the caller must not use it again."""
        key = (tuple(tensor.shape), tensor.dtype, tensor.device)
        self._free.setdefault(key, []).append(tensor)

    def __deepcopy__(self, memo: dict[int, object]) -> Workspace:
        """A copy starts empty."""
        return Workspace()

    def __reduce__(self) -> tuple[type[Workspace], tuple[()]]:
        """So does one that was pickled."""
        return (Workspace, ())


class _Spectrum:
    """`sqrt(2) fftshift(fft2(images))`, un-normalised, as the two halves of it that a transform gives.

    The right half, frequencies `kx >= 0`, and the left one, which for real images is the right one mirrored;
    each in two pieces of rows. Never put together: a product is taken piece by piece. The root balances
    `_intensity`.
    """

    def __init__(self, images: Tensor) -> None:
        ny, nx = images.shape[-2:]
        my, mx = ny // 2, nx // 2
        if images.is_complex():
            whole = torch.fft.fft2(images).mul_(_ROOT2)
            self.halves = [whole[..., : nx - mx], whole[..., nx - mx :]]
            left_rows = [(slice(my, None), slice(None, ny - my)), (slice(None, my), slice(ny - my, None))]
        else:
            whole = torch.fft.rfft2(images).mul_(_ROOT2)
            # row i of the mirror image holds the frequency i + 1 along y
            self.halves = [whole[..., : nx - mx], whole[..., 1 : mx + 1].flip((-2, -1)).conj_physical_()]
            left_rows = [
                (slice(my + 1, None), slice(None, ny - 1 - my)),
                (slice(None, my + 1), slice(ny - 1 - my, None)),
            ]
        right_rows = [(slice(my, None), slice(None, ny - my)), (slice(None, my), slice(ny - my, None))]
        self.places = [(0, rows, slice(mx, None)) for rows in right_rows]
        self.places += [(1, rows, slice(None, mx)) for rows in left_rows]
        self.conjugated = False

    def conjugate(self) -> None:
        """Conjugate in place, once."""
        if not self.conjugated:
            for half in self.halves:
                half.conj_physical_()
        self.conjugated = True

    def times(self, which: slice, factor: Tensor, out: Tensor) -> Tensor:
        """`out = spectrum[which] * factor`: (b, 1, ny, nx) by (m, ny, nx) or (b, m, ny, nx).

        `out` may be `factor`.
        """
        for half, (there, here), columns in self.places:
            part = self.halves[half][which, None, here]
            torch.mul(part, factor[..., there, columns], out=out[..., there, columns])
        return out


def _intensity(field: Tensor, scratch: Tensor, out: Tensor) -> None:
    """`out = |field|^2 / 2`, with a complex scratch of the field's shape."""
    parts, squares = (torch.view_as_real(t).flatten(-2) for t in (field, scratch))
    torch.mul(parts, parts, out=squares)
    torch.lerp(squares[..., 0::2], squares[..., 1::2], 0.5, out=out)


def _blocks(images: int, masks: int, plane: int) -> list[tuple[slice, slice]]:
    """Images by masks in blocks of at most `_BLOCK` samples or one plane.

    All masks of few images, or few masks of one.
    """
    per_block = max(1, _BLOCK // plane)
    step_m = min(masks, per_block)
    step_b = max(1, per_block // step_m)
    return [
        (slice(b, min(b + step_b, images)), slice(m, min(m + step_m, masks)))
        for b in range(0, images, step_b)
        for m in range(0, masks, step_m)
    ]


class _PeriodicIntensity(torch.autograd.Function):
    """Images (B, ny, nx) by masks (M, ny, nx) to intensity (B, M, ny, nx); see the module's formula."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, masks: Tensor, workspace: Workspace) -> Tensor:
        """Keeps the spectra and the output fields."""
        (b, ny, nx), m = images.shape, len(masks)
        kept = images.requires_grad or masks.requires_grad
        spectrum = _Spectrum(images)
        out = torch.empty((b, m, ny, nx), dtype=real_dtype(masks.dtype), device=masks.device)
        blocks, fields = _blocks(b, m, ny * nx), []
        for bs, ms in blocks:
            part = out[bs, ms]
            product = workspace.take(tuple(part.shape), masks)
            field = torch.fft.ifft2(spectrum.times(bs, masks[ms], product))
            _intensity(field, product, part)
            workspace.give(product)
            if kept:
                fields.append(field)
        if kept:
            ctx.spectrum, ctx.fields, ctx.blocks, ctx.workspace = spectrum, fields, blocks, workspace
            ctx.real = not images.is_complex()
            ctx.save_for_backward(masks)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """One transform per field; a second one per image where the images want a gradient."""
        (masks,) = ctx.saved_tensors
        workspace, b = ctx.workspace, len(grad)
        grad_masks: Tensor | None = None
        grad_spectra = masks.new_zeros((b, *masks.shape[-2:])) if ctx.needs_input_grad[0] else None
        if ctx.needs_input_grad[1]:
            ctx.spectrum.conjugate()
        for (bs, ms), field in zip(ctx.blocks, ctx.fields, strict=True):
            product = workspace.take(tuple(field.shape), masks)
            torch.mul(field, grad[bs, ms], out=product)
            back = torch.fft.fft2(product, norm="forward")
            if grad_spectra is not None:
                torch.mul(back, masks[ms].conj(), out=product)
                grad_spectra[bs] += product.sum(1)
            workspace.give(product)
            if ctx.needs_input_grad[1]:
                ctx.spectrum.times(bs, back, back)
                if b == 1 and back.shape[1] == len(masks):
                    grad_masks = back[0]
                else:
                    grad_masks = torch.zeros_like(masks) if grad_masks is None else grad_masks
                    grad_masks[ms] += back[0] if len(back) == 1 else back.sum(0)
        grad_images = None
        if grad_spectra is not None:
            whole = torch.fft.ifftshift(grad_spectra, dim=(-2, -1))
            grad_images = torch.fft.ifft2(whole, norm="forward").mul_(_ROOT2)
            grad_images = grad_images.real if ctx.real else grad_images
        return grad_images, grad_masks, None


def periodic_intensity(images: Tensor, masks: Tensor, *, workspace: Workspace | None = None) -> Tensor:
    """Intensity behind every mask for every image, on a periodic grid.

    Args:
        images: field amplitudes on the display, (B, ny, nx), real or complex.
        masks: (M, ny, nx) complex, centred (the optical axis at index `n // 2`), the images' shape.
        workspace: kept between steps; None allocates anew.

    Returns:
        (B, M, ny, nx) real, upright, in units of the input's intensity; a lossless mask (modulus 1) keeps the
        energy. Differentiable once, in the images and the masks.

    Raises:
        ShapeError: the shapes or precisions do not fit.
    """
    check_plane(images, name="images")
    check_shape(images, (None, None, None), name="images", fix="One channel at a time: (B, ny, nx).")
    check_shape(
        masks, (None, *images.shape[-2:]), name="masks", fix="One sample per image sample: (M, ny, nx)."
    )
    if masks.dtype != complex_dtype(images.dtype):
        raise ShapeError(
            f"masks have dtype {masks.dtype}, expected {complex_dtype(images.dtype)} for images of {images.dtype}. "
            "Convert one of the two."
        )
    return _PeriodicIntensity.apply(images, masks, workspace or Workspace())


class Periodic4F(nn.Module):
    """`periodic_intensity` with its workspace: the ideal coherent 4f system for training loops."""

    def __init__(self) -> None:
        super().__init__()
        self.workspace = Workspace()

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images (B, ny, nx), masks (M, ny, nx) complex and centred, to intensity (B, M, ny, nx)."""
        return periodic_intensity(images, masks, workspace=self.workspace)
