// A network inside the page: connections with both ends here, and ports.

import { Fault } from '../js/abi.js';

// connection is a pair of ends, each with the methods that server.js needs.
export function connection() {
  const [a, b] = [new End(), new End()];
  Object.assign(a, { other: b });
  Object.assign(b, { other: a });
  return [a, b];
}

class End {
  arrived = []; // pieces, each with a function to call once it is read
  wake = () => {};

  async *iterator() {
    for (;;) {
      if (this.failed) throw this.failed;
      const next = this.arrived.shift();
      if (next) {
        next.done();
        yield next.data;
      } else if (this.ended) {
        return;
      } else {
        await new Promise((resolve) => { this.wake = resolve; });
      }
    }
  }

  write(data, done = () => {}) {
    if (this.failed || this.closed) return queueMicrotask(() => done(this.failed ?? new Fault('EPIPE')));
    this.other.arrived.push({ data, done });
    this.other.wake();
  }

  end(done = () => {}) {
    this.closed = true;
    this.other.ended = true;
    this.other.wake();
    queueMicrotask(done);
  }

  destroySoon() {
    this.end();
  }

  destroy(err = new Fault('ECONNRESET')) {
    for (const end of [this, this.other]) {
      end.failed ??= err;
      end.arrived.splice(0).forEach(({ done }) => done(err));
      end.wake();
    }
  }

  resetAndDestroy() {
    this.destroy();
  }

  setTimeout() {} // no end in the page stalls
}

export const here = { ip: Uint8Array.of(127, 0, 0, 1), port: 21 };
const firstPort = 50000;

// Ports are the passive ports.
export class Ports {
  listening = new Map(); // accept functions, by port
  next = firstPort;

  take() {
    const port = this.next;
    this.next = this.next === 65535 ? firstPort : this.next + 1;
    return {
      port,
      accept: (found) => this.listening.set(port, found),
      close: () => this.listening.delete(port),
    };
  }

  // connect gives the client's end of a connection to a port, undefined if that does not
  // listen.
  connect(port) {
    const found = this.listening.get(port);
    if (!found) return undefined;
    const [server, client] = connection();
    found(server, here.ip);
    return client;
  }
}
