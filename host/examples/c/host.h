// A small host for the engine: one thread, one poll loop, and nothing else that waits.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>

// The errno of the boundary (wasi/errno.go), and its events and rights (wasi/record.go).
enum {
	OK = 0, E_ACCES = 2, E_ADDRINUSE = 3, E_AGAIN = 6, E_BADF = 8, E_BUSY = 10, E_CANCELED = 11, E_CONNREFUSED = 14,
	E_CONNRESET = 15, E_DQUOT = 19, E_EXIST = 20, E_FAULT = 21, E_FBIG = 22, E_INVAL = 28, E_IO = 29, E_ISDIR = 31, E_MFILE = 33,
	E_NOENT = 44, E_NOSPC = 51, E_NOSYS = 52, E_NOTDIR = 54, E_NOTEMPTY = 55, E_PIPE = 64, E_TIMEDOUT = 73, E_XDEV = 75,
};
enum { ABI = 7, CONFIG = 64, EVENT = 24, ADDRESS = 20, STAT = 32, DIRENT = STAT + 4 }; // its version, and sizes of its records
enum { EVENT_OPEN = 1, EVENT_READABLE, EVENT_WRITABLE, EVENT_READY, EVENT_TRANSFER, EVENT_DRAIN, EVENT_CLOCK };
enum { READ = 1, LIST = 2, WRITE = 4, DELETE = 8, RENAME = 16, MKDIR = 32, READ_ONLY = 3, READ_WRITE = 63 };

enum { OBJECTS = 1024, OWNED = 16, PIECE = 256 << 10, NAME = 4096, SECOND = 1000000000 };

// Kinds of objects. PARTING is the socket of a session that is over; the guest has no handle of it.
enum kind { FREE, SESSION, LISTENER, CONN, TRANSFER, DIRECTORY, PARTING };

struct account {
	const char *name, *password; // a NULL password accepts any
	uint32_t rights;
};

// object is a session, listener, connection, file or directory; the guest holds it by a handle.
struct object {
	enum kind kind;
	uint32_t handle, uses;
	struct object *session; // its session; a session has itself
	int fd;                 // of the socket, file or directory
	short wants;            // the events of poll that it waits for: POLLIN, POLLOUT

	struct sockaddr_storage local, peer; // session
	const struct account *account;       // session: NULL until logged in
	int owned;                           // session: number of its objects
	int64_t until;                       // parting: when it ends at the latest

	int arrived;           // listener: the client's connection, or -1
	bool crowded;          // listener: a second one came
	uint32_t deaf;         // listener: the errno of accept, when it cannot go on
	bool dialling;         // conn
	int failed;            // conn: the errno of connect
	struct dirent **names; // directory
	int count, at;
	bool bare;             // directory: names only

	int conn;                           // transfer: the data connection, or -1
	bool upload, begun, ended, ascii;
	bool cut;                           // upload: the old bytes go when a byte has come or at the commit
	char *made;                         // upload: its name, if there was no file before; NULL otherwise
	bool half;                          // transfer, ASCII: the CR of a CRLF is sent, or a received CR is held back
	uint8_t last;                       // transfer, ASCII: the byte before
	uint32_t result;
	int64_t limit, taken;               // transfer: most bytes of the file, 0 for no limit; read or written so far
	uint64_t bytes;                     // transfer: bytes that crossed the connection
};

// args are an import's arguments, by their place. They are checked: a handle has become an object of the right kind, a
// pointer leads into the guest's memory, a name leads down from the root. Numbers may be anything.
struct args {
	struct object *o[6];
	uint64_t n[6];
	uint8_t *p[6];
	uint32_t size[6];
	char name[2][NAME]; // the first and the second
};

typedef uint32_t import(struct args *);
import config_read, events_read, auth_login, net_address, net_read, net_write, net_listen, net_accept, net_dial, handle_close,
	file_stat, file_open, file_list, file_commit, file_make, file_remove, file_rename, file_set, file_space,
	transfer_start, transfer_progress;

extern struct object objects[OBJECTS];
extern int first_port, last_port, root;
extern int64_t deaf_until; // no connection is accepted before this time: there was no descriptor left

int64_t now(void); // ns since 1970, never going back
void post(int kind, struct object *o, uint32_t error, uint64_t value);
void die(const char *what, const char *why);
uint32_t fault(int error); // the system's errno as the boundary's
uint64_t get(const uint8_t *p, int size);
void put(uint8_t *p, int size, uint64_t value);

void guest_load(const char *path), guest_start(void), guest_stop(void);
bool guest_step(int64_t at, uint32_t events, int64_t *next);

struct object *find(uint64_t handle, enum kind), *own(struct object *session, enum kind, int fd);
void session_open(int fd, struct sockaddr_storage peer), release(struct object *), end(struct object *),
	object_ready(struct object *, short seen);
void hang_up(int fd, bool reset), transfer_move(struct object *);
int accept_from(int listener, struct sockaddr_storage *peer), file_cut(struct object *);
void file_abort(struct object *);
