'use strict';

// The server renders everything; this puts what it sends in place of what was there.

const status = document.getElementById('status');
const pause = document.getElementById('pause');
let source, paused = false, held = {};

function say(state, text) {
  status.dataset.state = state;
  if (status.textContent !== text) status.textContent = text;
}

// replace keeps the focus, what is unfolded, and what is being typed or selected.
function replace(id, html) {
  const section = document.querySelector(`[data-section="${id}"]`);
  if (!section) return true;
  const selection = document.getSelection();
  const active = section.contains(document.activeElement) ? document.activeElement : null;
  if (active && active.matches('input, select') || !selection.isCollapsed && section.contains(selection.anchorNode)) return false;
  const position = active && [...section.querySelectorAll(active.localName)].indexOf(active);
  const href = active && active.getAttribute('href');
  const unfolded = [...section.querySelectorAll('details[open]')].map(d => d.id);
  const y = scrollY;
  section.innerHTML = html;
  for (const details of unfolded) {
    const same = document.getElementById(details);
    if (same) same.open = true;
  }
  if (active) {
    const alike = [...section.querySelectorAll(active.localName)];
    const again = alike.find(e => href && e.getAttribute('href') === href) || alike[position];
    if (again) again.focus({preventScroll: true});
  }
  scrollTo(scrollX, y);
  return true;
}

function show() {
  if (paused) return;
  for (const id in held) {
    if (replace(id, held[id])) delete held[id];
  }
}

function connect() {
  source = new EventSource(document.body.dataset.live);
  source.addEventListener('open', () => { if (!paused) say('live', 'live'); });
  source.addEventListener('update', event => {
    const update = JSON.parse(event.data);
    Object.assign(held, update.sections);
    show();
    if (!paused) say('live', update.missed ? `live, ${update.missed} updates were missed: this browser is slow` : 'live');
  });
  source.addEventListener('bye', () => {
    source.close();
    say('lost', 'the server shuts down: this is the last that it told');
    pause.hidden = true;
  });
  source.addEventListener('error', () => {
    const over = source.readyState === EventSource.CLOSED;
    say('lost', over ? 'no live updates: load the page again' : 'the connection is lost, trying again');
  });
}

pause.addEventListener('click', () => {
  paused = !paused;
  pause.textContent = paused ? 'Go on' : 'Pause';
  say(paused ? 'paused' : 'live', paused ? 'paused' : 'live');
  show();
});

document.getElementById('live').hidden = false;
say('', 'connecting');
connect();
