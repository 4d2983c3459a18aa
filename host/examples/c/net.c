// Sockets: control connections, passive listeners, data connections.
#include "host.h"

enum { LINGER = 2 }; // seconds that a client has to close its end

static struct object *take(enum kind kind, int fd)
{
	for (uint32_t i = 0; i < OBJECTS; i++)
		if (objects[i].kind == FREE) {
			objects[i] = (struct object){.kind = kind, .uses = objects[i].uses + 1, .fd = fd, .arrived = -1, .conn = -1};
			objects[i].handle = objects[i].uses << 12 | (i + 1); // a handle that is kept after the object's end finds nothing
			return &objects[i];
		}
	return NULL;
}

struct object *find(uint64_t handle, enum kind kind)
{
	uint32_t i = ((uint32_t)handle & 0xfff) - 1;
	return i < OBJECTS && objects[i].handle == handle && objects[i].kind == kind ? &objects[i] : NULL;
}

// own makes an object of a session. If there are too many it closes the descriptor and returns NULL.
struct object *own(struct object *session, enum kind kind, int fd)
{
	struct object *o = session->owned < OWNED ? take(kind, fd) : NULL;
	if (!o)
		return close(fd), NULL;
	o->session = session;
	session->owned++;
	return o;
}

void release(struct object *o)
{
	o->kind = FREE;
	o->session->owned--;
}

// hang_up closes a connection; reset lets the client see that it broke.
void hang_up(int fd, bool reset)
{
	struct linger at_once = {.l_onoff = 1};
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(fd);
}

static void prepare(int fd)
{
	int on = 1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on); // clients send the last byte of a Telnet signal as urgent
}

// unmapped turns an IPv4 address that is mapped into IPv6 into the IPv4 address.
static struct sockaddr_storage unmapped(struct sockaddr_storage a)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	if (a.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		v4.sin_port = v6->sin6_port;
		memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
		memcpy(&a, &v4, sizeof v4);
	}
	return a;
}

// own_address is the address of our end.
static struct sockaddr_storage own_address(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t size = sizeof a;
	getsockname(fd, (struct sockaddr *)&a, &size);
	return unmapped(a);
}

// accept_from accepts a connection and its client's address: after a reset getpeername no longer knows it. Errors of
// accept4(2) that are of one connection alone are passed over.
int accept_from(int listener, struct sockaddr_storage *peer)
{
	for (;;) {
		socklen_t size = sizeof *peer;
		int fd = accept4(listener, (struct sockaddr *)peer, &size, SOCK_CLOEXEC);
		if (fd >= 0)
			*peer = unmapped(*peer);
		else if (errno != EAGAIN && errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM && errno != EINVAL)
			continue;
		return fd;
	}
}

// ip is the address itself; the port stands at the same place in both families.
static uint8_t *ip(struct sockaddr_storage *a, size_t *size)
{
	*size = a->ss_family == AF_INET ? 4 : 16;
	return a->ss_family == AF_INET ? (uint8_t *)&((struct sockaddr_in *)a)->sin_addr : ((struct sockaddr_in6 *)a)->sin6_addr.s6_addr;
}

static in_port_t *port(struct sockaddr_storage *a) { return &((struct sockaddr_in *)a)->sin_port; }

static bool same_ip(struct sockaddr_storage *a, struct sockaddr_storage *b)
{
	size_t size;
	uint8_t *of = ip(a, &size);
	return a->ss_family == b->ss_family && memcmp(of, ip(b, &size), size) == 0;
}

static void put_address(uint8_t *record, struct sockaddr_storage a)
{
	size_t size;
	uint8_t *from = ip(&a, &size);
	memset(record, 0, ADDRESS);
	put(record, 2, size == 4 ? 4 : 6);
	put(record + 2, 2, ntohs(*port(&a)));
	memcpy(record + 4, from, size);
}

void session_open(int fd, struct sockaddr_storage peer)
{
	static const char sorry[] = "421 Too many connections.\r\n";
	struct object *s = take(SESSION, fd);
	prepare(fd);
	if (!s) {
		send(fd, sorry, sizeof sorry - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	s->session = s;
	s->local = own_address(fd);
	s->peer = peer;
	s->wants = POLLIN;
	post(EVENT_OPEN, s, OK, 0);
}

// end ends an object and all it holds. A session's last reply is still sent, and its client has LINGER seconds to close:
// closing with bytes unread would reset the connection.
void end(struct object *o)
{
	if (o->kind == SESSION) {
		for (int i = 0; i < OBJECTS; i++)
			if (objects[i].kind != FREE && objects[i].session == o && &objects[i] != o)
				end(&objects[i]);
		shutdown(o->fd, SHUT_WR);
		*o = (struct object){.kind = PARTING, .uses = o->uses, .fd = o->fd, .wants = POLLIN, .until = now() + (int64_t)LINGER * SECOND};
		return;
	}
	for (int i = 0; i < o->count; i++)
		free(o->names[i]);
	free(o->names);
	if (o->arrived >= 0)
		close(o->arrived);
	if (o->conn >= 0)
		hang_up(o->conn, !o->upload);
	if (o->made)
		file_abort(o);
	if (o->fd >= 0)
		close(o->fd);
	release(o);
}

uint32_t handle_close(struct args *a) { return end(a->o[0]), OK; }

uint32_t net_address(struct args *a)
{
	if (a->n[1] > 1)
		return E_INVAL;
	put_address(a->p[2], a->n[1] == 0 ? a->o[0]->local : a->o[0]->peer);
	return OK;
}

uint32_t net_read(struct args *a)
{
	ssize_t n = recv(a->o[0]->fd, a->p[1], a->size[1], 0);
	if (n != 0)
		a->o[0]->wants |= POLLIN;
	put(a->p[2], 4, n > 0 ? (uint64_t)n : 0);
	return n < 0 ? fault(errno) : OK;
}

uint32_t net_write(struct args *a)
{
	ssize_t n = send(a->o[0]->fd, a->p[1], a->size[1], MSG_NOSIGNAL);
	if (n < (ssize_t)a->size[1])
		a->o[0]->wants |= POLLOUT;
	put(a->p[2], 4, n > 0 ? (uint64_t)n : 0);
	return n < 0 ? fault(errno) : OK;
}

uint32_t net_listen(struct args *a)
{
	struct object *s = a->o[0], *l;
	struct sockaddr_storage at = s->local;
	if (a->n[1] != 0 && a->n[1] != (at.ss_family == AF_INET ? 4 : 6))
		return E_INVAL;
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ports = last_port - first_port + 1, bound = -1;
	for (int i = 0, start = rand(); i < ports && bound < 0; i++) {
		*port(&at) = htons((uint16_t)(first_port + (start % ports + i) % ports));
		bound = bind(fd, (struct sockaddr *)&at, sizeof at);
	}
	if (bound < 0 || listen(fd, 4) < 0) {
		uint32_t error = fault(errno);
		return close(fd), error;
	}
	if (!(l = own(s, LISTENER, fd)))
		return E_MFILE;
	l->wants = POLLIN;
	put(a->p[2], 4, l->handle);
	put_address(a->p[3], own_address(fd));
	return OK;
}

// gather accepts what came to a listener. Of two from the client's address one is a thief's, and nobody can say which.
static void gather(struct object *l)
{
	struct sockaddr_storage from;
	for (int fd; (fd = accept_from(l->fd, &from)) >= 0;) {
		bool ours = same_ip(&from, &l->session->peer);
		l->crowded |= ours && l->arrived >= 0;
		if (l->crowded)
			shutdown(l->fd, SHUT_RD), l->wants = 0; // no more may come
		if (!ours || l->crowded) {
			close(fd);
			continue;
		}
		l->arrived = fd;
		post(EVENT_READABLE, l, OK, 0);
	}
	if (errno == EAGAIN || l->crowded || l->arrived >= 0)
		return;
	l->deaf = fault(errno); // poll would report it without end
	l->wants = 0;
	post(EVENT_READABLE, l, OK, 0);
}

uint32_t net_accept(struct args *a)
{
	struct object *l = a->o[0], *c;
	gather(l);
	if (l->arrived < 0 || l->crowded)
		return l->crowded ? E_BUSY : l->deaf ? l->deaf : E_AGAIN;
	int fd = l->arrived;
	l->arrived = -1;
	if (!(c = own(l->session, CONN, fd)))
		return E_MFILE;
	prepare(fd);
	put(a->p[1], 4, c->handle);
	return OK;
}

uint32_t net_dial(struct args *a)
{
	uint64_t family = get(a->p[1], 2), number = get(a->p[1] + 2, 2);
	struct object *s = a->o[0], *c;
	struct sockaddr_storage to = s->peer, from = s->local; // with the zone, which the record lacks
	size_t size;
	uint8_t *client = ip(&to, &size);
	if (family != 4 && family != 6)
		return E_INVAL;
	if (number < 1024 || size != (family == 4 ? 4 : 16) || memcmp(client, a->p[1] + 4, size))
		return E_ACCES; // could be a bounce attack
	*port(&to) = htons((uint16_t)number);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!(c = own(s, CONN, fd)))
		return E_MFILE;
	prepare(fd);
	*port(&from) = 0;
	if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
		(connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS))
		c->failed = errno;
	c->dialling = true;
	c->wants = POLLOUT;
	put(a->p[2], 4, c->handle);
	return OK;
}

static void connected(struct object *c)
{
	socklen_t size = sizeof c->failed;
	if (!c->failed)
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->failed, &size);
	c->dialling = c->failed != 0;
	post(EVENT_WRITABLE, c, fault(c->failed), 0);
}

// part reads a client's last bytes after its session is over, until it closes.
static void part(struct object *o)
{
	char gone[512];
	ssize_t n = recv(o->fd, gone, sizeof gone, 0);
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	close(o->fd);
	o->kind = FREE;
}

// object_ready handles the events that poll reported for an object.
void object_ready(struct object *o, short seen)
{
	short ready = o->wants & (seen & (POLLERR | POLLHUP) ? POLLIN | POLLOUT : seen);
	switch (o->kind) {
	case TRANSFER:
		return transfer_move(o);
	case LISTENER:
		return gather(o);
	case PARTING:
		return part(o);
	default:
		o->wants &= ~ready;
		if (o->dialling)
			connected(o);
		else if (ready & POLLOUT)
			post(EVENT_WRITABLE, o, OK, 0);
		if (ready & POLLIN)
			post(EVENT_READABLE, o, OK, 0);
	}
}
