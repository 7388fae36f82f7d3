// The photos as a strip of thumbnails, each with its state; what is under way in a line above.

import { percent, strings } from "./strings.js";
import { announce, byId, element, setText } from "./element.js";

export class Strip {
  #gallery;
  #items = new Map();
  /** Search results, or null: `[{ id, probability }]`, best first. */
  #results = null;
  #wasBusy = false;

  constructor(gallery) {
    this.#gallery = gallery;
    gallery.addEventListener("list", () => this.#drawList());
    gallery.addEventListener("change", ({ detail }) => {
      this.#drawItem(detail);
      this.#drawWork();
    });
    gallery.addEventListener("select", ({ detail }) => this.#drawSelection(detail));
    byId("stop-work").addEventListener("click", () => gallery.stop());
    byId("go-on").addEventListener("click", () => gallery.goOn());
    byId("strip").addEventListener("keydown", (event) => this.#walk(event));
  }

  /** Sorts the photos as a search found them; null puts them back. */
  order(results) {
    this.#results = results;
    this.#drawList();
    if (results) byId("strip").scrollTo({ left: 0 });
  }

  #drawList() {
    const { photos } = this.#gallery;
    byId("gallery").hidden = photos.length === 0;
    for (const photo of photos) {
      if (!this.#items.has(photo)) this.#items.set(photo, this.#item(photo));
      this.#drawItem(photo);
    }
    for (const [photo, item] of this.#items) {
      if (photos.includes(photo)) continue;
      item.remove();
      this.#items.delete(photo);
    }
    const places = new Map(this.#results?.map(({ id }, place) => [id, place]));
    const placeOf = (photo) => places.get(photo.id) ?? Infinity;
    const sorted = this.#results ? [...photos].sort((left, right) => placeOf(left) - placeOf(right) || 0) : photos;
    const strip = byId("strip");
    sorted.forEach((photo, place) => {
      // Moving an element takes its focus away: only those out of place move.
      const item = this.#items.get(photo);
      if (strip.children[place] !== item) strip.insertBefore(item, strip.children[place] ?? null);
    });
    this.#drawWork();
  }

  #item(photo) {
    const show = element("button", { type: "button", class: "thumb", onclick: () => this.#gallery.select(photo) },
      element("img", { alt: "", decoding: "async", hidden: true }),
      element("span", { class: "kind", "aria-hidden": "true", hidden: true }),
      element("span", { class: "mark", "aria-hidden": "true" }));
    const remove = element("button", {
      type: "button", class: "remove", title: strings.removePhoto(photo.name), "aria-label": strings.removePhoto(photo.name),
      onclick: () => this.#remove(photo),
    }, "×");
    return element("li", {}, show, remove, element("span", { class: "share", "aria-hidden": "true" }));
  }

  #drawItem(photo) {
    const item = this.#items.get(photo);
    if (!item) return;
    const [show, , share] = item.children;
    const image = show.firstElementChild;
    if (photo.thumbnail && image.hidden) {
      image.src = photo.thumbnail;
      image.hidden = false;
    }
    // What the browser cannot show is told apart by its kind.
    const kind = show.children[1];
    kind.hidden = !photo.isShown || Boolean(photo.thumbnail);
    setText(kind, photo.name.split(".").pop().slice(0, 5).toUpperCase());
    const { what } = this.#gallery.count();
    const state = photo.state === "done" && what === "read" && !photo.caption ? "read" : photo.state;
    show.dataset.state = photo.state;
    show.title = photo.caption ? `${photo.name}: ${photo.caption.text}` : photo.name;
    const label = strings.photoButton(photo.name, strings.photoStates[state]);
    if (show.ariaLabel !== label) show.ariaLabel = label;
    const result = this.#results?.find(({ id }) => id === photo.id);
    setText(share, result?.probability === undefined ? "" : percent(result.probability));
  }

  #drawSelection(selected) {
    for (const [photo, item] of this.#items) {
      const show = item.firstElementChild;
      if (photo === selected) {
        show.setAttribute("aria-current", "true");
        reveal(byId("strip"), item);
      } else show.removeAttribute("aria-current");
    }
  }

  #drawWork() {
    const { isStopped } = this.#gallery;
    const { total, done, failed, left, isBusy, what } = this.#gallery.count();
    const isPaused = !isBusy && (isStopped || this.#gallery.photos.some(({ state }) => state === "stopped")) && left > 0;
    const parts = [];
    if (isPaused) parts.push(strings.workPaused(left));
    else if (left > 0 && total > 1) parts.push(strings.workDone(done, total, what));
    else parts.push(strings.workIdle(total));
    if (failed > 0) parts.push(strings.workFailed(failed));
    setText(byId("work-state"), parts.join(" · "));
    byId("stop-work").hidden = !(left > 0 && total > 1 && !isPaused);
    byId("go-on").hidden = !isPaused;
    if (this.#wasBusy && left === 0 && total > 1) announce(strings.workFinished(total));
    this.#wasBusy = left > 0;
  }

  #remove(photo) {
    const { photos } = this.#gallery;
    const place = photos.indexOf(photo);
    this.#gallery.remove(photo);
    announce(strings.removed(photo.name));
    const next = this.#items.get(photos[Math.min(place, photos.length - 1)]);
    (next?.firstElementChild ?? byId("choose")).focus();
  }

  /** Arrow keys go from photo to photo, Delete takes one away. */
  #walk(event) {
    const item = document.activeElement.closest("li");
    const there = { ArrowRight: item?.nextElementSibling, ArrowLeft: item?.previousElementSibling }[event.key];
    if (there) {
      event.preventDefault();
      there.firstElementChild.focus();
    } else if (event.key === "Delete" && item) {
      item.children[1].click();
    }
  }
}

/** Scrolls the strip alone; the page stays where it is. */
function reveal(strip, item) {
  const [outer, inner] = [strip.getBoundingClientRect(), item.getBoundingClientRect()];
  if (inner.left < outer.left) strip.scrollLeft -= outer.left - inner.left + inner.width;
  else if (inner.right > outer.right) strip.scrollLeft += inner.right - outer.right + inner.width;
}
