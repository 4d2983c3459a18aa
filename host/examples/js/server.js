// The one instance of the engine, and when it is called.

import { Engine, configRecord, event, now, without } from './abi.js';
import { calls } from './imports.js';
import { Session, soon } from './session.js';

const unavailable = Uint8Array.from('421 Service not available, closing control connection.\r\n', (c) => c.charCodeAt(0));

// Server is a host for one instance of the engine. A platform, Node.js or a browser,
// brings sockets and files:
//
//   login(user, password)  { rights, files }, or undefined to refuse
//   ports.take(session)    a passive port { port, accept(found), close() }; undefined when none is free
//   dial(session, port)    promises a connection to the client
//   deflated(conn, level)  the connection in MODE Z; optional
//   digest(algorithm)      { update(bytes), digest() }, which may return a promise; optional
//   log(text)
//
// A connection has these methods of a Node.js socket: iterator(), write(bytes, done),
// end(done), destroy(), destroySoon(), resetAndDestroy() and setTimeout(). Files have
// stat, enter (optional, for folders that may be closed to the server), list, read,
// write, mkdir, remove, rename, setTime, setMode and space, which return promises, and
// abilities, which says what of these works.
export class Server {
  objects = new Map(); // by handle
  lastHandle = 0;
  clearing = new Set(); // transfers and files of all sessions that were given up and have not ended yet
  cleared = 0; // how many have

  // module is a compiled WebAssembly.Module.
  constructor(module, platform) {
    Object.assign(this, { module }, platform);
  }

  // start starts an engine if there is none.
  start() {
    this.started ??= this.instantiate().catch((err) => {
      this.started = undefined;
      throw err;
    });
    return this.started;
  }

  async instantiate() {
    const flags = (this.deflated ? 0 : without.MODE_Z) | (this.digest ? 0 : without.HASH);
    const engine = new Engine(calls, this.objects, configRecord(flags), this.log);
    await engine.start(this.module);
    this.engine = engine;
  }

  // open gives the engine a new control connection. local and client are { ip, port }.
  async open(conn, local, client) {
    try {
      await this.start();
    } catch (err) {
      this.log(`no engine for a session: ${err.message}`);
      conn.write(unavailable, () => conn.destroySoon());
      return;
    }
    const session = Object.assign(new Session(), { local, client });
    session.attach(this, conn);
    this.add(session);
    session.post(event.OPEN);
    session.receive();
  }

  // drain ends idle sessions with 421, the others when they are idle.
  drain() {
    this.post({ kind: event.DRAIN });
  }

  add(object) {
    do this.lastHandle = (this.lastHandle + 1) >>> 0;
    while (this.lastHandle === 0 || this.objects.has(this.lastHandle));
    object.handle = this.lastHandle;
    this.objects.set(object.handle, object);
    return object;
  }

  post(e) {
    this.engine?.events.push(e);
    this.wake();
  }

  wake() {
    if (!this.due) soon(() => this.step());
    this.due = true;
  }

  step() {
    this.due = false;
    clearTimeout(this.timer);
    try {
      const next = this.engine?.step() ?? 0n;
      if (next > 0n) this.timer = setTimeout(() => this.wake(), Math.min(Number((next - now()) / 1000000n) + 1, 3600e3));
    } catch (err) {
      this.abandon(err);
    }
  }

  // abandon ends the instance and all sessions. A trapped instance would still answer, so
  // the next session gets a new one.
  abandon(err) {
    const [said] = this.engine.printed.split('\n');
    this.log(`the engine failed; its sessions end: ${err.message}${said && ': '}${said}`);
    this.engine = this.started = undefined;
    for (const object of [...this.objects.values()]) {
      if (object.kind !== 'SESSION') continue;
      object.conn.write(unavailable, () => {});
      object.close();
    }
    this.objects.clear();
  }
}
