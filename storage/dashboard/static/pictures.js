/* Pictures of the grid, a few at a time: a browser opens six connections to a server, and pictures
   that have to be made first must not stand in the way of the next page of rows. */

const AT_ONCE = 3;

let waiting = [];
const loading = new Set();

/** Fetch the picture of an image that has `data-src`; in the order they are asked for. */
export function fetchPicture(image) {
  if (!image.dataset.src || waiting.includes(image)) return;
  waiting.push(image);
  next();
}

/** The image has left the screen: what was not fetched yet is not wanted any more. */
export function dropPicture(image) {
  waiting = waiting.filter((each) => each !== image);
  if (!loading.delete(image)) return;
  image.removeAttribute("src");
  next();
}

function next() {
  while (loading.size < AT_ONCE && waiting.length) {
    const image = waiting.shift();
    loading.add(image);
    const done = () => {
      if (loading.delete(image)) next();
    };
    image.addEventListener("load", done, { once: true });
    image.addEventListener("error", done, { once: true });
    image.src = image.dataset.src;
    delete image.dataset.src;
  }
}
