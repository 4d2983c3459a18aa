// Transfers, a piece at a time. The kernel moves downloads that need no conversion.
#include "host.h"

static uint8_t in[PIECE / 2], out[PIECE];

uint32_t transfer_start(struct args *a)
{
	struct object *t = a->o[0], *c = a->o[1];
	if (c->session != t->session || c->dialling || t->begun)
		return E_BADF;
	if (a->n[2] > 1 || (int64_t)a->n[3] < 0)
		return E_INVAL;
	t->conn = c->fd;
	release(c);
	t->begun = true;
	t->ascii = a->n[2];
	t->limit = (int64_t)a->n[3];
	t->wants = t->upload ? POLLIN : POLLOUT;
	return OK;
}

uint32_t transfer_progress(struct args *a)
{
	if (!a->o[0]->begun)
		return E_INVAL;
	put(a->p[1], 8, a->o[0]->bytes);
	return OK;
}

// encode makes lines end in CRLF, until in is used up or out is full. It returns how many bytes it took of in.
static size_t encode(struct object *t, size_t n, size_t room, size_t *made)
{
	size_t taken = 0;
	for (*made = 0; taken < n && *made < room;) {
		bool first = in[taken] == '\n' && t->last != '\r' && !t->half;
		out[(*made)++] = first ? '\r' : in[taken];
		if (!(t->half = first))
			t->last = in[taken++];
	}
	return taken;
}

// decode makes lines end in LF. A CR is held back until the next byte is known.
static size_t decode(struct object *t, size_t n)
{
	size_t made = 0;
	for (size_t i = 0; i < n; i++) {
		if (t->half && in[i] != '\n')
			out[made++] = '\r';
		if (!(t->half = in[i] == '\r'))
			out[made++] = in[i];
	}
	return made;
}

static size_t wanted(struct object *t, size_t most)
{
	return t->limit && t->limit - t->taken < (int64_t)most ? (size_t)(t->limit - t->taken) : most;
}

// Each of these moves a piece, and returns the bytes that crossed the connection: 0 at the end, -1 with errno.
static ssize_t send_binary(struct object *t)
{
	ssize_t n = sendfile(t->conn, t->fd, NULL, wanted(t, PIECE));
	t->taken += n > 0 ? n : 0;
	return n;
}

static ssize_t send_lines(struct object *t)
{
	ssize_t n = read(t->fd, in, wanted(t, sizeof in));
	if (n <= 0)
		return n;
	struct object before = *t;
	size_t made;
	encode(t, (size_t)n, sizeof out, &made);
	ssize_t sent = send(t->conn, out, made, MSG_NOSIGNAL);
	int error = errno;
	t->last = before.last, t->half = before.half; // encode again the part that was sent
	size_t taken = encode(t, (size_t)n, sent > 0 ? (size_t)sent : 0, &made);
	t->taken += (int64_t)taken;
	lseek(t->fd, (off_t)taken - n, SEEK_CUR);
	errno = error;
	return sent;
}

static ssize_t receive(struct object *t)
{
	ssize_t n = recv(t->conn, in, sizeof in, 0);
	if (n < 0 || (n > 0 && file_cut(t) < 0))
		return -1;
	size_t made = t->ascii ? decode(t, (size_t)n) : (size_t)n;
	if (n == 0 && t->half)
		out[made++] = '\r';
	if (t->limit && (t->taken += (int64_t)made) > t->limit)
		return errno = EINVAL, -1;
	for (uint8_t *p = t->ascii ? out : in; made > 0;) {
		ssize_t w = write(t->fd, p, made);
		if (w <= 0)
			return errno = w < 0 ? errno : EIO, -1;
		p += w, made -= (size_t)w;
	}
	return n;
}

void transfer_move(struct object *t)
{
	ssize_t n = t->upload ? receive(t) : t->ascii ? send_lines(t) : send_binary(t);
	int error = n < 0 ? errno : 0;
	t->bytes += n > 0 ? (uint64_t)n : 0;
	if (error == EAGAIN || (n > 0 && (t->upload || !t->limit || t->taken < t->limit)))
		return;
	t->result = fault(error);
	t->ended = true;
	t->wants = 0;
	hang_up(t->conn, error && !t->upload);
	t->conn = -1;
	post(EVENT_TRANSFER, t, t->result, t->bytes);
}
