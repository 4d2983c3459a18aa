// Data connections.

import { event, need } from './abi.js';
import { Connection, hangUp } from './session.js';

// Listener waits for a passive data connection (RFC 959 §4.1.2, PASV).
export class Listener {
  kind = 'LISTENER';
  arrived = [];

  constructor(port) {
    this.port = port;
  }

  // accept keeps connections from the client's address until there are two, of which none
  // can be trusted. Connections from elsewhere are closed unread, and the wait goes on.
  accept(conn, ip) {
    if (String(ip) !== String(this.session.client.ip)) return conn.destroy();
    this.arrived.push(conn);
    if (this.arrived.length > 1) return this.port.close();
    this.server.post({ kind: event.READABLE, session: this.session.handle, handle: this.handle });
  }

  // take gives the connection that came. Of two from the client's address one is a
  // thief's, and nobody can say which: EBUSY.
  take() {
    need(this.arrived.length > 0, 'EAGAIN');
    need(this.arrived.length === 1, 'EBUSY');
    return this.arrived.pop();
  }

  close() {
    this.port.close();
    for (const conn of this.arrived) conn.destroy();
    this.session.disown(this);
  }
}

// Data is a data connection, or an active one that is being dialled.
export class Data extends Connection {
  kind = 'DATA';

  async dial(port) {
    let failure;
    const conn = await this.server.dial(this.session, port).catch((err) => { failure = err; });
    if (this.over) return conn?.destroy();
    if (conn) this.attach(this.server, conn);
    this.post(event.WRITABLE, failure);
  }

  close() {
    this.over = true;
    if (this.conn) hangUp(this.conn);
    this.session.disown(this);
  }
}
