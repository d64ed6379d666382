// What is wrong with a page as it is laid out in a window of that width, one line each; its links and ids.
(width => {
  const wrong = [], d = document, name = e => e.tagName.toLowerCase() + ' ' + (e.alt || e.textContent || '').trim().slice(0, 40);
  const page = d.scrollingElement;
  if (page.clientWidth !== width) wrong.push(`laid out ${page.clientWidth} wide in a window of ${width}`);
  if (page.scrollWidth > width) wrong.push(`the page is ${page.scrollWidth} wide in a window of ${width}`);
  for (const e of d.querySelectorAll('body *')) {
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    if (['auto', 'scroll'].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1) wrong.push('scrolls sideways: ' + name(e));
    if (box.width > 1 && box.right > width + 1) wrong.push('leaves the window: ' + name(e));
    if (!e.children.length && e.textContent.trim() && box.width && parseFloat(style.fontSize) < 8) wrong.push('too small to read: ' + name(e));
  }
  for (const e of d.querySelectorAll('.axes i')) {
    const box = e.getBoundingClientRect(), around = e.closest('.axes').getBoundingClientRect();
    if (box.left < around.left - 1 || box.right > around.right + 1) wrong.push('a label leaves its axes: ' + name(e));
    const picture = e.closest('.axes').querySelector('img').getBoundingClientRect();
    if (e.scrollWidth > e.clientWidth + 1 || e.parentElement.matches('.y') && box.right > picture.left + 1) wrong.push('a label lies on its picture: ' + name(e));
  }
  for (const axis of d.querySelectorAll('.axes .x')) {
    const boxes = [...axis.children].map(e => e.getBoundingClientRect());
    if (boxes.some((b, k) => k && b.left < boxes[k - 1].right)) wrong.push('labels of an axis overlap: ' + name(axis));
  }
  for (const e of d.images) {
    if (!e.complete || !e.naturalWidth) wrong.push('does not decode: ' + name(e));
    if (!e.alt) wrong.push('has no text for those who cannot see it: an image of ' + e.naturalWidth);
  }
  for (const e of d.querySelectorAll('input')) if (!e.getAttribute('aria-label')) wrong.push('a control without a name');
  if (d.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
  if (!d.title) wrong.push('no title');
  for (const e of d.querySelectorAll('section')) if (!e.querySelector('h2')) wrong.push('a section without a heading');
  const ids = [...d.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('two parts with one id');
  if (d.querySelector('script')) wrong.push('a script');
  return {wrong: wrong, links: [...d.querySelectorAll('a')].map(a => a.getAttribute('href')), ids: ids};
})
