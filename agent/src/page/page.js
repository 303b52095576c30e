"use strict";
// The page works without this. With it, what is new is put in the place of what was there, so that nobody loses theirs.
(() => {
  const EVERY = 15000;
  const AREAS = ["head", "main"];
  const script = document.currentScript.textContent;
  const wanted = document.getElementById("wanted");
  const status = document.getElementById("status");

  const attributes = (old, fresh) => {
    const isOurs = (name) => name !== "open";
    for (const { name } of [...old.attributes]) {
      if (isOurs(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (isOurs(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  };

  // Elements with an id stay the same ones wherever they go; others by their place.
  const become = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = fresh.data;
      return;
    }
    attributes(old, fresh);
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const known = child.id ? document.getElementById(child.id) : place;
      const isKnown = known?.parentNode === old && known.nodeName === child.nodeName && (known.id || "") === (child.id || "");
      if (!isKnown) {
        old.insertBefore(document.importNode(child, true), place);
        continue;
      }
      if (known === place) place = place.nextSibling;
      else old.insertBefore(known, place);
      become(known, child);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  };

  // What is being looked at, and where on the screen it is.
  const looked = () => {
    const focused = document.activeElement.closest("details");
    const isSeen = (row) => row && row.getBoundingClientRect().bottom > 0 && row.getBoundingClientRect().top < innerHeight;
    const row = isSeen(focused) ? focused : document.elementFromPoint(innerWidth / 2, innerHeight / 3)?.closest("[id]");
    return [row, row?.getBoundingClientRect().top];
  };

  const show = (fresh) => {
    if (fresh.querySelector("body > script")?.textContent !== script) {
      location.reload();
      return;
    }
    const focused = document.activeElement;
    const [row, top] = looked();
    for (const id of AREAS) become(document.getElementById(id), fresh.getElementById(id));
    if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    if (row?.isConnected) scrollBy(0, row.getBoundingClientRect().top - top);
  };

  const failed = () => {
    status.textContent = "The agent does not answer: this is what it last said.";
  };

  const update = () => {
    const isReading = !getSelection().isCollapsed;
    if (document.hidden || !wanted.checked || isReading) return;
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = EVERY;
    request.onload = () => {
      if (request.status !== 200 || !request.response) {
        failed();
        return;
      }
      status.textContent = "";
      show(request.response);
    };
    request.onerror = failed;
    request.ontimeout = failed;
    request.send();
  };

  wanted.parentNode.hidden = false;
  wanted.addEventListener("change", update);
  document.addEventListener("visibilitychange", update);
  setInterval(update, EVERY);
})();
