// Runs WebSocket jobs: one JSON object per line on standard input, one JSON
// result per line on standard output. Jobs run side by side and are answered
// in the order in which they end. job.go says what is in both objects.
import { randomFillSync } from 'node:crypto';
import { createInterface } from 'node:readline';

const KINDS = ['upload', 'flood', 'close', 'text'];
const MESSAGE = 64 * 1024;
const BUFFERED = 1024 * 1024;

// serve runs jobs until standard input ends; open(job) makes the WebSocket.
export function serve(open) {
  createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const job = JSON.parse(line);
      const result = await run(open, job);
      process.stdout.write(JSON.stringify({ id: job.id, ...result }) + '\n');
    })
    .on('close', () => process.exit(0));
}

function run(open, job) {
  return new Promise((resolve) => {
    const start = performance.now();
    const result = { opened: false, closed: false, code: 0, reason: '', wasClean: false, error: '', messages: [] };
    const note = (error) => (result.error ||= error?.message || String(error));
    let ws, timer, flood;

    const end = () => {
      clearTimeout(timer);
      clearInterval(flood);
      if (ws && !result.closed) ws.terminate ? ws.terminate() : ws.close();
      resolve({ ...result, ms: Math.round(performance.now() - start) });
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
    const closeAfterAnswers = () => {
      if (result.messages.length !== (job.answers ?? 0)) return;
      if (job.kind === 'close') ws.close(job.code, job.reason);
      if (job.kind === 'text' && job.answers) ws.close(1000);
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
          if (job.kind === 'flood') flood = setInterval(() => attempt(topUp), 1);
          closeAfterAnswers();
        });
      ws.onmessage = ({ data }) =>
        attempt(() => {
          result.messages.push(typeof data === 'string' ? data : `[binary, ${data.byteLength} bytes]`);
          closeAfterAnswers();
        });
      ws.onerror = ({ error, message, type }) => {
        note(error ?? message ?? type);
        if (!result.opened) setImmediate(end); // undici 6 fires no close event then
      };
      ws.onclose = ({ code, reason, wasClean }) => {
        Object.assign(result, { closed: true, code, reason, wasClean });
        end();
      };
    });
  });
}

// bytes returns size random bytes, which no compression makes smaller; the same ones each time.
const made = new Map();
function bytes(size) {
  if (!made.has(size)) made.set(size, randomFillSync(Buffer.alloc(size)));
  return made.get(size);
}
