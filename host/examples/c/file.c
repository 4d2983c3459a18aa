// Files below the root. The kernel resolves every name, and refuses those that lead out.
#include "host.h"

enum { FOR_WRITING = 1, TRUNCATE = 2, APPEND = 4, EXCLUSIVE = 8, FOLDER = 16, NAMES = 32 };

static int beneath(const char *name, int flags, mode_t mode)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root, name, &how, sizeof how);
	if (fd < 0 && errno == EAGAIN) // a file was renamed meanwhile
		errno = EBUSY;
	if (fd < 0 && errno == EXDEV) // it leads out
		errno = EACCES;
	return fd;
}

// closing closes the descriptor of a call, and returns the call's errno. Some storage reports failed writes only then.
static uint32_t closing(int fd, int result)
{
	uint32_t error = result < 0 ? fault(errno) : OK;
	return close(fd) < 0 && !error ? fault(errno) : error;
}

// parent opens the directory that a name is in; base is the rest of the name.
static int parent(char *name, const char **base)
{
	char *slash = strrchr(name, '/');
	*base = slash ? slash + 1 : name;
	if (slash)
		*slash = 0;
	return beneath(slash ? name : ".", O_PATH | O_DIRECTORY, 0);
}

static void put_stat(uint8_t *record, const struct stat *st)
{
	uint32_t type = S_ISREG(st->st_mode) ? 0 : S_ISDIR(st->st_mode) ? 1 : S_ISLNK(st->st_mode) ? 2 : 3;
	memset(record, 0, STAT);
	put(record, 8, (uint64_t)st->st_mtim.tv_sec * SECOND + (uint64_t)st->st_mtim.tv_nsec);
	put(record + 8, 8, (uint64_t)st->st_size);
	put(record + 16, 4, type << 16 | (st->st_mode & 0777));
	put(record + 20, 4, st->st_nlink);
}

uint32_t file_stat(struct args *a)
{
	struct stat st;
	if (a->n[2] > 3)
		return E_INVAL;
	bool entered = a->n[2] & 2;
	int fd = beneath(a->name[0], O_PATH | (entered ? O_DIRECTORY : 0) | (a->n[2] & 1 ? O_NOFOLLOW : 0), 0);
	// A directory must be searchable to be entered.
	uint32_t error = closing(fd, fd < 0 ? fd : entered ? fstatat(fd, ".", &st, 0) : fstat(fd, &st));
	if (!error)
		put_stat(a->p[3], &st);
	return error;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp((*(struct dirent *const *)a)->d_name, (*(struct dirent *const *)b)->d_name);
}

// read_names reads the names in a directory, which need not be searchable.
static int read_names(struct object *d)
{
	DIR *dir = fdopendir(fcntl(d->fd, F_DUPFD_CLOEXEC, 0));
	if (!dir)
		return -1;
	int room = 0;
	for (struct dirent *e; (errno = 0, e = readdir(dir));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (d->count == room && !(d->names = realloc(d->names, (size_t)(room = 2 * room + 64) * sizeof *d->names)))
			abort();
		d->names[d->count++] = memcpy(malloc(e->d_reclen), e, e->d_reclen);
	}
	int error = errno;
	closedir(dir);
	qsort(d->names, (size_t)d->count, sizeof *d->names, by_bytes);
	return errno = error, error ? -1 : 0;
}

// open_directory is file_open of a directory.
static uint32_t open_directory(struct args *a)
{
	struct object *d;
	struct stat st;
	if (!(a->o[0]->account->rights & LIST))
		return E_ACCES;
	if ((a->n[2] & ~NAMES) != FOLDER || a->n[3] != 0)
		return E_INVAL;
	int fd = beneath(a->name[0], O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fault(errno);
	if (fstat(fd, &st) < 0)
		return closing(fd, -1);
	if (!(d = own(a->o[0], DIRECTORY, fd)))
		return E_MFILE;
	if (read_names(d) < 0) {
		uint32_t error = fault(errno);
		return end(d), error;
	}
	d->bare = a->n[2] & NAMES;
	put(a->p[4], 4, d->handle);
	put_stat(a->p[5], &st);
	return OK;
}

// entry makes a directory record and returns its size: 0 if it does not fit, or the file is gone.
static size_t entry(struct object *d, const char *name, uint8_t *to, size_t room)
{
	char target[NAME];
	ssize_t aim = 0;
	struct stat st = {0};
	size_t n = strlen(name);
	if (!d->bare && fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISLNK(st.st_mode) && (aim = readlinkat(d->fd, name, target, sizeof target)) < 0)
		return 0;
	if (room < DIRENT + n + (size_t)aim)
		return 0;
	memset(to, 0, DIRENT);
	if (!d->bare)
		put_stat(to, &st);
	put(to + STAT, 2, n);
	put(to + STAT + 2, 2, (uint64_t)aim);
	memcpy(to + DIRENT, name, n);
	memcpy(to + DIRENT + n, target, (size_t)aim);
	return DIRENT + n + (size_t)aim;
}

uint32_t file_list(struct args *a)
{
	struct object *d = a->o[0];
	size_t used = 0;
	for (; d->at < d->count && (used == 0 || a->size[1] - used >= DIRENT + 255 + NAME); d->at++)
		used += entry(d, d->names[d->at]->d_name, a->p[1] + used, a->size[1] - used);
	put(a->p[2], 4, used);
	return OK;
}

// place locks an upload's file, which one upload at a time may write, and seeks to its beginning.
static int place(int fd, uint64_t flags, int64_t offset, const struct stat *st)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno != ENOLCK && errno != ENOSYS && errno != EOPNOTSUPP) // some storage has no locks
		return errno = EBUSY, -1;
	if (!(flags & (APPEND | TRUNCATE)) && offset > st->st_size)
		return errno = EINVAL, -1;
	return lseek(fd, flags & APPEND ? 0 : offset, flags & APPEND ? SEEK_END : SEEK_SET) < 0 ? -1 : 0;
}

// open_upload opens a file to write. *made says whether it was made.
static int open_upload(const char *name, uint64_t flags, bool make, bool *made)
{
	const int how = O_NONBLOCK | O_NOCTTY | O_WRONLY;
	int fd = flags & EXCLUSIVE ? -1 : beneath(name, how, 0);
	*made = false;
	if (fd >= 0 || !make || (!(flags & EXCLUSIVE) && errno != ENOENT))
		return fd;
	if ((fd = beneath(name, how | O_CREAT | O_EXCL, 0666)) >= 0)
		*made = true;
	else if (errno == EEXIST && !(flags & EXCLUSIVE)) // somebody has made it since, or it is a link to a missing file
		fd = beneath(name, how | O_CREAT, 0666);
	return fd;
}

uint32_t file_open(struct args *a)
{
	struct object *f;
	struct stat st;
	uint64_t flags = a->n[2];
	int64_t offset = (int64_t)a->n[3];
	bool upload = flags & FOR_WRITING;
	if (flags & FOLDER)
		return open_directory(a);
	if (!(a->o[0]->account->rights & (upload ? WRITE : READ)))
		return E_ACCES;
	if (flags >= FOLDER || offset < 0 || (offset > 0 && flags & (TRUNCATE | EXCLUSIVE)))
		return E_INVAL;
	if (a->o[0]->owned >= OWNED)
		return E_MFILE; // before a file is made
	bool made = false, make = offset == 0 || flags & APPEND;
	int fd = upload ? open_upload(a->name[0], flags, make, &made) : beneath(a->name[0], O_NONBLOCK | O_NOCTTY | O_RDONLY, 0);
	if (fd < 0)
		return fault(errno);
	if (fstat(fd, &st) < 0)
		return closing(fd, -1);
	if (!S_ISREG(st.st_mode))
		return close(fd), S_ISDIR(st.st_mode) ? E_ISDIR : E_ACCES;
	if ((upload ? place(fd, flags, offset, &st) : lseek(fd, offset, SEEK_SET)) < 0)
		return closing(fd, -1);
	if (!(f = own(a->o[0], TRANSFER, fd)))
		return E_MFILE;
	f->upload = upload;
	f->cut = flags & TRUNCATE;
	f->made = made ? strdup(a->name[0]) : NULL;
	put(a->p[4], 4, f->handle);
	put_stat(a->p[5], &st);
	return OK;
}

// file_cut empties a file that is replaced. Until then a client that fails to connect, or dies, loses nothing.
int file_cut(struct object *f)
{
	int result = f->cut ? ftruncate(f->fd, 0) : 0;
	f->cut = f->cut && result < 0;
	return result;
}

// file_abort removes the file that an upload has made, if no byte has come.
void file_abort(struct object *f)
{
	const char *base;
	struct stat ours, there;
	int dir = f->bytes == 0 ? parent(f->made, &base) : -1;
	if (dir >= 0 && fstat(f->fd, &ours) == 0 && fstatat(dir, base, &there, AT_SYMLINK_NOFOLLOW) == 0
		&& ours.st_dev == there.st_dev && ours.st_ino == there.st_ino && there.st_size == 0)
		unlinkat(dir, base, 0);
	if (dir >= 0)
		close(dir);
	free(f->made);
	f->made = NULL;
}

// client_gone tells whether the control connection has ended and all its bytes are read. A client that dies ends it before
// the data connection, and its upload is not whole.
static bool client_gone(struct object *session)
{
	char next;
	ssize_t n = recv(session->fd, &next, 1, MSG_PEEK);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

// file_commit has little to do: an upload is written in place.
uint32_t file_commit(struct args *a)
{
	struct object *f = a->o[0];
	if (!f->upload || !f->begun || f->result)
		return E_INVAL;
	if (!f->ended)
		return E_BUSY;
	if (client_gone(f->session))
		return end(f), E_CANCELED;
	free(f->made);
	f->made = NULL;
	uint32_t error = closing(f->fd, file_cut(f));
	f->fd = -1;
	return end(f), error;
}

// file_make makes directories, and no links.
uint32_t file_make(struct args *a)
{
	const char *base;
	if (a->size[2] > 0)
		return E_NOSYS;
	int dir = parent(a->name[0], &base);
	return closing(dir, dir < 0 ? dir : mkdirat(dir, base, 0777));
}

uint32_t file_remove(struct args *a)
{
	const char *base;
	if (a->n[2] > 1)
		return a->n[2] == 2 ? E_ACCES : E_INVAL; // 2 is a folder with all that is in it
	if (!strcmp(a->name[0], "."))
		return E_ACCES;
	int dir = parent(a->name[0], &base);
	return closing(dir, dir < 0 ? dir : unlinkat(dir, base, a->n[2] == 1 ? AT_REMOVEDIR : 0));
}

uint32_t file_rename(struct args *a)
{
	const char *base, *base2;
	if (!strcmp(a->name[0], ".") || !strcmp(a->name[1], "."))
		return E_INVAL;
	int from = parent(a->name[0], &base), to = from < 0 ? from : parent(a->name[1], &base2);
	uint32_t error = closing(to, to < 0 ? to : renameat(from, base, to, base2));
	close(from);
	return error;
}

// changeable opens a file that is about to be changed.
static int changeable(struct args *a) { return beneath(a->name[0], O_RDONLY | O_NONBLOCK | O_NOCTTY, 0); }

uint32_t file_set(struct args *a)
{
	int64_t ns = (int64_t)a->n[3], rest = (ns % SECOND + SECOND) % SECOND;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {(ns - rest) / SECOND, rest}};
	if (a->n[2] > 1)
		return E_INVAL;
	int fd = changeable(a);
	return closing(fd, fd < 0 ? fd : a->n[2] == 0 ? futimens(fd, times) : fchmod(fd, a->n[3] & 0777));
}

uint32_t file_space(struct args *a)
{
	struct statvfs v;
	int fd = changeable(a);
	uint32_t error = closing(fd, fd < 0 ? fd : fstatvfs(fd, &v));
	if (!error)
		put(a->p[2], 8, (uint64_t)v.f_bavail * v.f_frsize);
	return error;
}
