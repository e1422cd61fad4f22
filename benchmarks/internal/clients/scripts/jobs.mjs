// What a client does in one run, for every client that has the browsers' WebSocket.
const KINDS = {
  // One binary message of size bytes.
  upload: (ws, job) => ws.send(bytes(job.size)),
  // Messages of 64 KiB as long as bufferedAmount is under 1 MiB, until the close event.
  flood(ws) {
    const topUp = () => {
      for (let n = 0; n < 16 && ws.readyState === 1 && ws.bufferedAmount < 1024 * 1024; n++) ws.send(bytes(64 * 1024));
    };
    topUp();
    return setInterval(topUp, 1);
  },
  // One text message.
  text: (ws) => ws.send('go'),
  // One text message, and then nothing is read for a while.
  stall(ws, job) {
    ws.send('go');
    if (!ws.pause) {
      for (const until = performance.now() + job.stallMs; performance.now() < until; );
    } else {
      ws.pause();
      setTimeout(() => ws.resume(), job.stallMs);
    }
  },
};

// run resolves with what the client saw. open(url) makes the WebSocket.
export function run(job, open) {
  return new Promise((resolve) => {
    const result = { id: job.id, code: 0, reason: '', clean: false, error: '' };
    const note = (error) => (result.error ||= error?.message || String(error));
    let ws, flood;
    const timer = setTimeout(() => {
      note(`no close within ${job.timeoutMs} ms`);
      ws?.terminate?.();
      end();
    }, job.timeoutMs);
    const end = () => {
      clearTimeout(timer);
      clearInterval(flood);
      resolve(result);
    };
    try {
      ws = open(job.url);
    } catch (error) {
      note(error);
      return end();
    }
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => (flood = KINDS[job.kind](ws, job));
    ws.onerror = ({ error, message, type }) => note(error ?? message ?? type);
    ws.onclose = ({ code, reason, wasClean }) => {
      Object.assign(result, { code, reason, clean: wasClean });
      end();
    };
  });
}

// bytes are random, which no compression makes smaller; the same each time.
const made = new Map();
function bytes(size) {
  if (!made.has(size)) {
    const b = new Uint8Array(size);
    for (let i = 0; i < size; i += 65536) crypto.getRandomValues(b.subarray(i, Math.min(i + 65536, size)));
    made.set(size, b);
  }
  return made.get(size);
}
