// Runs WebSocket jobs for whatever has the browsers' WebSocket. job.go says
// what a job and a result are.
const KINDS = ['upload', 'flood', 'stall', 'close', 'text', 'navigate', 'close tab'];
const MESSAGE = 64 * 1024;
const BUFFERED = 1024 * 1024;

// run resolves with what the client saw. open(job) makes the WebSocket; leave,
// if there is one, ends the page that the WebSocket belongs to.
export function run(job, open, leave) {
  return new Promise((resolve) => {
    const start = performance.now();
    const result = { opened: false, closed: false, code: 0, reason: '', wasClean: false, error: '', messages: [] };
    const note = (error) => (result.error ||= error?.name ? `${error.name}: ${error.message}` : String(error?.message || error));
    let ws, timer, flood;

    const end = () => {
      clearTimeout(timer);
      clearInterval(flood);
      if (ws && !result.closed) ws.terminate ? ws.terminate() : ws.close();
      resolve({ id: job.id, ...result, ms: Math.round(performance.now() - start) });
    };
    // attempt takes a step that may throw, which ends the job.
    const attempt = (step) => {
      try {
        step();
      } catch (error) {
        note(error);
        end();
      }
    };
    const afterAnswers = () => {
      if (result.messages.length !== (job.answers ?? 0)) return;
      if (job.kind === 'text' && job.answers) ws.close(1000);
      if (job.kind === 'close')
        try {
          ws.close(job.code, job.reason);
        } catch (error) {
          note(error);
          ws.close();
        }
      if (leave && (job.kind === 'navigate' || job.kind === 'close tab')) {
        clearTimeout(timer);
        resolve({ id: job.id, ...result, ms: Math.round(performance.now() - start) });
        leave();
      }
    };
    const topUp = () => {
      // Not every client counts what it is given while it closes, so a round is bounded.
      for (let n = 0; n < BUFFERED / MESSAGE && ws.bufferedAmount < BUFFERED; n++) ws.send(bytes(MESSAGE));
    };

    attempt(() => {
      if (!KINDS.includes(job.kind)) throw new Error(`${job.kind} is not a kind of job: ${KINDS.join(', ')}`);
      ws = open(job);
      ws.binaryType = 'arraybuffer';
      timer = setTimeout(() => {
        note(`no close within ${job.timeoutMs} ms`);
        end();
      }, job.timeoutMs);
      ws.onopen = () =>
        attempt(() => {
          result.opened = true;
          if (job.kind === 'flood') topUp(); // the texts are read in the middle of it
          for (const text of job.texts ?? []) ws.send(text);
          if (job.kind === 'upload') ws.send(bytes(job.size));
          if (job.kind === 'stall') stall(ws, job.stallMs);
          if (job.kind === 'flood') flood = setInterval(() => attempt(topUp), 1);
          afterAnswers();
        });
      ws.onmessage = ({ data }) =>
        attempt(() => {
          result.messages.push(typeof data === 'string' ? data : `[binary, ${data.byteLength} bytes]`);
          afterAnswers();
        });
      ws.onerror = ({ error, message, type }) => {
        note(error ?? (message || type));
        if (!result.opened) setTimeout(end); // undici 6 fires no close event then
      };
      ws.onclose = ({ code, reason, wasClean }) => {
        Object.assign(result, { closed: true, code, reason, wasClean });
        end();
      };
    });
  });
}

// stall reads nothing for a while; where a WebSocket can't be paused, nobody runs meanwhile.
function stall(ws, ms) {
  if (ws.pause) {
    ws.pause();
    setTimeout(() => ws.resume(), ms);
  } else {
    for (const until = performance.now() + ms; performance.now() < until; );
  }
}

// bytes returns size random bytes, which no compression makes smaller; the same ones each time.
const made = new Map();
function bytes(size) {
  if (!made.has(size)) {
    const b = new Uint8Array(size);
    for (let i = 0; i < size; i += 65536) crypto.getRandomValues(b.subarray(i, i + 65536));
    made.set(size, b);
  }
  return made.get(size);
}
