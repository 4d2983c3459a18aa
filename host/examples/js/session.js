// The host's side of a control connection.

import { Fault, errnoOf, event, need } from './abi.js';

export const maxOwned = 16; // listeners, connections, files and directories of a session; the engine needs four
export const maxUnsent = 64 << 10;
const lingerTime = 2e3; // ms
const stallTime = 300e3;

// soon calls back when the events of sockets that have happened are handled.
export const soon = globalThis.setImmediate ?? queueMicrotask;

// success is a promise for start, which calls back with an error or none.
export const success = (start) => new Promise((resolve, reject) => start((err) => (err ? reject(err) : resolve())));

// hangUp ends a connection once all that was written is sent, or after stallTime.
export function hangUp(conn) {
  conn.setTimeout(stallTime, () => conn.destroy());
  conn.destroySoon();
}

// Connection is a connection that the guest writes to: control or data.
export class Connection {
  unsent = 0;

  attach(server, conn) {
    Object.assign(this, { server, conn });
  }

  write(data) {
    need(this.conn && !this.broken, 'EPIPE');
    const n = Math.min(data.length, maxUnsent - this.unsent);
    this.starved = n < data.length;
    need(n > 0 || data.length === 0, 'EAGAIN');
    this.unsent += n;
    this.conn.write(data.slice(0, n), (err) => this.sent(n, err)); // a copy: the guest goes on with its buffer
    return n;
  }

  sent(n, err) {
    this.unsent -= n;
    this.broken ??= err;
    if (this.starved) this.post(event.WRITABLE);
    this.starved = false;
  }

  post(kind, err) {
    this.server.post({ kind, session: (this.session ?? this).handle, handle: this.handle, errno: err && errnoOf(err) });
  }
}

export class Session extends Connection {
  kind = 'SESSION';
  owned = new Set();
  arrived = new Uint8Array();
  working = 0; // questions under way, abandoned ones too
  clearing = new Set(); // see waitFor

  // receive reads one piece at a time for the guest, so that a client cannot make the
  // host keep many bytes. Once the session is over it discards them: closing with bytes
  // unread would reset the connection.
  async receive() {
    try {
      for await (const chunk of this.conn.iterator({ destroyOnReturn: false })) {
        if (this.over) continue;
        this.arrived = chunk;
        this.post(event.READABLE);
        await new Promise((resolve) => { this.taken = resolve; });
      }
      this.ended = true;
    } catch (err) {
      this.failed = err;
    }
    if (this.over) this.conn.destroySoon();
    else this.post(event.READABLE);
  }

  read(out) {
    if (this.arrived.length === 0) {
      if (this.failed) throw this.failed;
      need(this.ended, 'EAGAIN');
      return 0;
    }
    const n = Math.min(out.length, this.arrived.length);
    out.set(this.arrived.subarray(0, n));
    this.arrived = this.arrived.subarray(n);
    if (this.arrived.length === 0) this.taken();
    return n;
  }

  // ask answers a call that may wait: the guest gets EAGAIN, then an event, and calls
  // again for the result of work. Another question abandons the one before.
  ask(key, work) {
    const asked = this.asked;
    if (asked?.key === key) {
      need(asked.done, 'EAGAIN');
      this.asked = undefined;
      if (asked.error) throw asked.error;
      return asked.answer;
    }
    need(this.working < maxOwned, 'EBUSY');
    this.abandon();
    this.working++;
    this.asked = { key };
    this.answer(this.asked, work);
    throw new Fault('EAGAIN');
  }

  // gone says whether the client has ended the connection and all its bytes are read.
  get gone() {
    return this.arrived.length === 0 && Boolean(this.ended || this.failed);
  }

  // waitFor has the next question wait for ending, a promise of something given up.
  waitFor(ending) {
    for (const clearing of [this.clearing, this.server.clearing]) {
      const over = Promise.allSettled([ending]).then(() => {
        clearing.delete(over);
        this.server.cleared++;
      });
      clearing.add(over);
    }
  }

  // find promises the result of work. If the file is busy with an upload that was given
  // up, it waits for that and tries again: the client may have come back at once. That
  // upload may have ended just after work met it.
  async find(work) {
    await Promise.all(this.clearing);
    const before = this.server.cleared;
    try {
      return await work();
    } catch (err) {
      if (err.code !== 'EBUSY' || (this.server.clearing.size === 0 && this.server.cleared === before)) throw err;
    }
    await Promise.all(this.server.clearing);
    return work();
  }

  async answer(asked, work) {
    try {
      asked.answer = await this.find(work);
    } catch (err) {
      // A lease on the file is EAGAIN, which would promise the guest an event.
      asked.error = err.code === 'EAGAIN' ? new Fault('EBUSY') : err;
    }
    this.working--;
    asked.done = true;
    if (this.asked === asked) this.post(event.READY);
    else asked.answer?.close?.();
  }

  abandon() {
    if (this.asked?.done) this.asked.answer?.close?.();
    this.asked = undefined;
  }

  own(object) {
    need(this.owned.size < maxOwned, 'EMFILE');
    this.owned.add(this.server.add(Object.assign(object, { server: this.server, session: this })));
    return object.handle;
  }

  disown(object) {
    this.owned.delete(object);
    this.server.objects.delete(object.handle);
  }

  // allowed gives the account's files for a call that needs this right.
  allowed(needed) {
    need((this.account?.rights ?? 0) & needed, 'EACCES');
    return this.account.files;
  }

  can(wanted) {
    return (this.account.rights & wanted) !== 0;
  }

  // close ends the session and its objects, and its connection once all that was written
  // is sent.
  close() {
    this.over = true;
    for (const object of this.owned) object.close();
    this.abandon();
    this.account = undefined;
    this.server.objects.delete(this.handle);
    this.conn.setTimeout(stallTime, () => this.conn.destroy());
    this.conn.end(() => setTimeout(() => this.conn.destroy(), this.ended || this.failed ? 0 : lingerTime));
    this.taken?.();
  }
}
