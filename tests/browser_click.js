// The share of the window that a click on a picture gives it, whether it lies inside, and whether another click takes it back.
(width => {
  const found = [];
  for (const kind of ['img.shown', '.axes.shown']) {
    const shown = document.querySelector(kind);
    if (!shown) continue;
    const picture = shown.matches('img') ? shown : shown.querySelector('img'), box = () => picture.getBoundingClientRect();
    const before = box().width;
    shown.parentElement.querySelector('input').click();
    const large = box(), share = Math.max(large.width / width, large.height / innerHeight);
    const inside = large.left >= -1 && large.right <= width + 1;
    shown.parentElement.querySelector('input').click();
    found.push([share, inside, Math.abs(box().width - before) < 1]);
  }
  return found;
})
