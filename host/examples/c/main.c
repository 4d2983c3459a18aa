// The program: flags, accounts, and the loop.
#include "host.h"

enum { LISTENERS = 8, ACCOUNTS = 32, EVENTS = 4 * OBJECTS, PATIENCE = 1000, PAUSE = 100, MS = 1000000 };

struct object objects[OBJECTS];
int first_port, last_port, root;
int64_t deaf_until;

static int listeners[LISTENERS], listening;
static struct account accounts[ACCOUNTS];
static int known;
static uint8_t queue[EVENTS][EVENT]; // for the next step
static uint32_t posted, fetched;
static int64_t ahead; // ns from now() to the wall clock, as the engine was told
static bool told;     // the engine was told the wall clock
static volatile sig_atomic_t stopping;

void die(const char *what, const char *why)
{
	fprintf(stderr, "wasiftpc: %s: %s\n", what, why);
	exit(2);
}

uint32_t fault(int error)
{
	static const int faults[][2] = {
		{0, OK}, {EACCES, E_ACCES}, {EPERM, E_ACCES}, {EXDEV, E_XDEV}, {EROFS, E_ACCES}, {ENXIO, E_ACCES}, {EADDRINUSE, E_ADDRINUSE},
		{EADDRNOTAVAIL, E_ADDRINUSE}, {EILSEQ, E_INVAL}, {EMLINK, E_NOSPC}, {ETXTBSY, E_BUSY}, {EOPNOTSUPP, E_NOSYS}, {ENOSYS, E_NOSYS},
		{ECONNABORTED, E_CONNRESET}, {ENETDOWN, E_CONNRESET}, {ENETUNREACH, E_CONNRESET}, {EHOSTUNREACH, E_CONNRESET},
		{EAGAIN, E_AGAIN}, {EBUSY, E_BUSY}, {ECONNREFUSED, E_CONNREFUSED}, {ECONNRESET, E_CONNRESET}, {EDQUOT, E_DQUOT},
		{EEXIST, E_EXIST}, {EFBIG, E_FBIG}, {EINVAL, E_INVAL}, {ENAMETOOLONG, E_INVAL}, {EISDIR, E_ISDIR}, {EMFILE, E_MFILE},
		{ENFILE, E_MFILE}, {ENOBUFS, E_MFILE}, {ENOMEM, E_MFILE}, {ENOENT, E_NOENT}, {ELOOP, E_NOENT}, {ENOSPC, E_NOSPC},
		{ENOTDIR, E_NOTDIR}, {ENOTEMPTY, E_NOTEMPTY}, {EPIPE, E_PIPE}, {ETIMEDOUT, E_TIMEDOUT},
	};
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		if (faults[i][0] == error)
			return (uint32_t)faults[i][1];
	return E_IO;
}

int64_t now(void)
{
	static int64_t offset;
	struct timespec t, wall;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (!offset) {
		clock_gettime(CLOCK_REALTIME, &wall);
		offset = (int64_t)(wall.tv_sec - t.tv_sec) * SECOND + wall.tv_nsec - t.tv_nsec;
	}
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec + offset;
}

void post(int kind, struct object *o, uint32_t error, uint64_t value)
{
	if (posted == EVENTS)
		return;
	uint8_t *e = queue[posted++];
	memset(e, 0, EVENT);
	put(e, 2, (uint64_t)kind);
	put(e + 2, 2, error);
	put(e + 4, 4, o ? o->session->handle : 0);
	put(e + 8, 4, o ? o->handle : 0);
	put(e + 16, 8, value);
}

uint32_t events_read(struct args *a)
{
	uint32_t n = a->size[0] / EVENT, left = posted - fetched;
	n = n < left ? n : left;
	memcpy(a->p[0], queue[fetched], n * EVENT);
	fetched += n;
	put(a->p[1], 4, n);
	return OK;
}

// config_read writes the engine's configuration (wasi/config.go): limits, and flags for what this host lacks. No flag
// tells of TLS, so there is none.
uint32_t config_read(struct args *a)
{
	static const int64_t seconds[] = {120, 300, 300, 30, 1}; // to log in, idle, stalled, for data connections, after a failed login
	if (a->size[0] < CONFIG)
		return E_INVAL;
	memset(a->p[0], 0, CONFIG);
	for (int i = 0; i < 5; i++)
		put(a->p[0] + 8 * i, 8, (uint64_t)seconds[i] * SECOND);
	put(a->p[0] + 40, 4, 5);    // failed logins
	put(a->p[0] + 44, 4, 4096); // bytes of a line
	put(a->p[0] + 48, 4, 2048 | 4096); // there is no MODE Z and no HASH
	put(a->p[1], 4, CONFIG);
	return OK;
}

// same compares a password in a time that does not depend on how much of it is right.
static bool same(const char *want, const uint8_t *p, uint32_t size)
{
	uint8_t differs = strlen(want) != size;
	for (uint32_t i = 0, n = (uint32_t)strlen(want); i < n && i < size; i++)
		differs |= (uint8_t)want[i] ^ p[i];
	return !differs;
}

// auth_login writes the rights, and the abilities: uploads, times, modes, space and directories.
uint32_t auth_login(struct args *a)
{
	const struct account *found = NULL;
	for (int i = 0; i < known && a->size[1] > 0; i++)
		if (same(accounts[i].name, a->p[1], a->size[1]) & (!accounts[i].password || same(accounts[i].password, a->p[2], a->size[2])))
			found = &accounts[i];
	if (!found && a->size[1] > 0)
		return E_ACCES;
	a->o[0]->account = found;
	put(a->p[3], 4, found ? found->rights : 0);
	put(a->p[4], 4, found ? 1 | 2 | 8 | 32 | 256 : 0);
	return OK;
}

static void admit(const char *name, const char *password, uint32_t rights)
{
	if (known == ACCOUNTS)
		die("--user", "there are too many");
	for (int i = 0; i < known; i++)
		if (!strcmp(accounts[i].name, name))
			die(name, "is given twice");
	accounts[known++] = (struct account){name, password, rights};
}

static uint32_t rights_of(const char *text) { return !strcmp(text, "ro") ? READ_ONLY : !strcmp(text, "rw") ? READ_WRITE : 0; }

// add_user takes NAME:PASSWORD[:ro|rw]. With more than one colon the last part must be rights: else mistyped rights would
// become part of the password.
static void add_user(char *text)
{
	uint32_t rights = READ_ONLY;
	char *password = strchr(text, ':');
	if (password)
		*password++ = 0;
	char *last = password ? strrchr(password, ':') : NULL;
	if (last) {
		*last++ = 0;
		rights = rights_of(last);
	}
	if (!password || !*text || !*password || !rights)
		die("--user", "is not NAME:PASSWORD, NAME:PASSWORD:ro or NAME:PASSWORD:rw; a password with a colon takes rights behind it");
	admit(text, password, rights);
}

static void listen_at(char *address)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
	char *colon = strrchr(address, ':'), *host = address, *rest, text[NI_MAXHOST], service[NI_MAXSERV];
	if (!colon || strtoul(colon + 1, &rest, 10) > 65535 || rest == colon + 1 || *rest)
		die(address, "is not HOST:PORT");
	*colon = 0;
	if (*host == '[' && colon[-1] == ']')
		colon[-1] = 0, host++;
	if (getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found))
		die(host, "no such address");
	for (struct addrinfo *i = found; i && listening < LISTENERS; i = i->ai_next) {
		int fd = socket(i->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
		struct sockaddr_storage at;
		socklen_t size = sizeof at;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
		if (bind(fd, i->ai_addr, i->ai_addrlen) < 0 || listen(fd, 128) < 0)
			die(host, strerror(errno));
		getsockname(fd, (struct sockaddr *)&at, &size);
		getnameinfo((struct sockaddr *)&at, size, text, sizeof text, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
		printf(at.ss_family == AF_INET6 ? "ftp://[%s]:%s/\n" : "ftp://%s:%s/\n", text, service);
		listeners[listening++] = fd;
	}
	freeaddrinfo(found);
}

// wait_for polls until a descriptor is ready or the time has come, and handles what is ready.
static void wait_for(int64_t until)
{
	static struct pollfd polled[LISTENERS + OBJECTS];
	static struct object *whose[LISTENERS + OBJECTS];
	nfds_t n = 0;
	bool deaf = now() < deaf_until;
	if (deaf && until > deaf_until)
		until = deaf_until;
	for (; n < (nfds_t)listening; n++)
		polled[n] = (struct pollfd){stopping || deaf ? -1 : listeners[n], POLLIN, 0};
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		if (o->kind == PARTING && until > o->until)
			until = o->until;
		if (o->kind != FREE && o->wants) {
			whose[n] = o;
			polled[n++] = (struct pollfd){o->kind == TRANSFER ? o->conn : o->fd, o->wants, 0};
		}
	}
	int64_t left = (until - now() + MS - 1) / MS;
	if (poll(polled, n, left < 0 ? 0 : left > 60000 ? 60000 : (int)left) <= 0)
		return;
	for (nfds_t i = (nfds_t)listening; i < n; i++)
		if (polled[i].revents)
			object_ready(whose[i], polled[i].revents);
	struct sockaddr_storage peer;
	for (int i = 0; i < listening; i++) {
		for (int fd; polled[i].revents && (fd = accept_from(listeners[i], &peer)) >= 0;)
			session_open(fd, peer);
		if (polled[i].revents && errno != EAGAIN)
			deaf_until = now() + PAUSE * MS;
	}
}

// all_gone ends the parting connections whose time is up, and tells whether no object is left.
static bool all_gone(void)
{
	bool gone = true;
	for (struct object *o = objects; o < objects + OBJECTS; o++) {
		if (o->kind == PARTING && now() >= o->until) {
			close(o->fd);
			o->kind = FREE;
		}
		gone = gone && o->kind == FREE;
	}
	return gone;
}

// tell_clock posts the wall clock, unless the engine knows it: it may have been set since the start.
static void tell_clock(int64_t at)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	int64_t wall = (int64_t)t.tv_sec * SECOND + t.tv_nsec, off = wall - at - ahead;
	if (told && -SECOND < off && off < SECOND)
		return;
	told = true;
	ahead = wall - at;
	post(EVENT_CLOCK, NULL, OK, (uint64_t)wall);
}

// step calls the engine. An instance that failed would still answer, so it is not called again: its sessions end, and a
// new instance takes its place.
static int64_t step(void)
{
	static const char sorry[] = "421 Service not available, closing control connection.\r\n";
	int64_t next, at = now();
	tell_clock(at);
	uint32_t count = posted;
	fetched = 0;
	if (!guest_step(at, count, &next)) {
		for (struct object *o = objects; o < objects + OBJECTS; o++)
			if (o->kind == SESSION) {
				send(o->fd, sorry, sizeof sorry - 1, MSG_NOSIGNAL);
				end(o);
			}
		guest_stop();
		guest_start();
		told = false;
		count = posted;
		next = 0;
	}
	memmove(queue, queue[count], (posted - count) * EVENT);
	posted -= count;
	return next;
}

static void run(void)
{
	int64_t next = 0; // when the engine asks for a step; 0 is never
	for (int hungry = 0, draining = 0; !all_gone() || !stopping;) {
		if (stopping && !draining++)
			post(EVENT_DRAIN, NULL, OK, 0);
		int64_t until = next ? next : INT64_MAX / 2;
		if (hungry > PATIENCE && until < now() + MS) // the engine never stops asking
			until = now() + MS;
		wait_for(posted ? 0 : until);
		if (!posted && (!next || now() < next))
			continue;
		hungry = posted ? 0 : hungry + 1;
		next = step();
	}
}

static void stop(int signal) { stopping = signal; }

int main(int argc, char **argv)
{
	static const char usage[] = "[--module FILE] [--listen ADDR]... [--root DIR] [--user NAME:PASSWORD[:ro|rw]]... "
		"[--anonymous off|ro|rw] [--passive-ports A-B]";
	static const struct option flags[] = {
		{"module", 1, NULL, 'm'}, {"listen", 1, NULL, 'l'}, {"root", 1, NULL, 'r'}, {"user", 1, NULL, 'u'},
		{"anonymous", 1, NULL, 'a'}, {"passive-ports", 1, NULL, 'p'}, {"help", 0, NULL, 'h'}, {0},
	};
	char standard[] = "127.0.0.1:2121", *places[LISTENERS] = {standard}, *module = "wasiftp.wasm", *dir = ".";
	char *anonymous = NULL, more;
	int count = 0;
	for (int c; (c = getopt_long(argc, argv, "", flags, NULL)) != -1;)
		if (c == 'm')
			module = optarg;
		else if (c == 'l' && count < LISTENERS)
			places[count++] = optarg;
		else if (c == 'r')
			dir = optarg;
		else if (c == 'u')
			add_user(optarg);
		else if (c == 'a')
			anonymous = optarg;
		else if (c == 'h')
			return puts(usage), 0;
		else if (c != 'p' || sscanf(optarg, "%d-%d%c", &first_port, &last_port, &more) != 2 || first_port < 1
			|| first_port > last_port || last_port > 65535)
			die("usage", usage);
	if (optind < argc)
		die(argv[optind], usage);
	anonymous = anonymous ? anonymous : known ? "off" : "ro";
	if (strcmp(anonymous, "off") && !rights_of(anonymous))
		die("--anonymous", "is not off, ro or rw");
	if (rights_of(anonymous))
		admit("anonymous", NULL, rights_of(anonymous)), admit("ftp", NULL, rights_of(anonymous));
	if ((root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		die(dir, strerror(errno));
	srand((unsigned)now());
	struct sigaction once = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
	sigaction(SIGINT, &once, NULL);
	sigaction(SIGTERM, &once, NULL);
	signal(SIGPIPE, SIG_IGN);
	guest_load(module);
	guest_start();
	for (int i = 0; i < count || i == 0; i++)
		listen_at(places[i]);
	fflush(stdout);
	run();
	return 0;
}
