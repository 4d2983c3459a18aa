// The module's side: WAMR, the table of imports, and the check of all arguments of the guest.
#include "host.h"
#include "wasm_export.h"

// A step counts as hung if it takes more than these instructions, or its imports take more than these seconds.
enum { INSTRUCTIONS = 400000000, LONGEST = 5, STACK = 1 << 20, PAGES = 4096 };

static wasm_module_t module;
static wasm_module_inst_t instance;
static wasm_exec_env_t env;
static int64_t deadline; // of the present call

uint64_t get(const uint8_t *p, int size)
{
	uint64_t value = 0;
	while (size-- > 0)
		value = value << 8 | p[size];
	return value;
}

void put(uint8_t *p, int size, uint64_t value)
{
	for (; size-- > 0; value >>= 8)
		*p++ = (uint8_t)value;
}

static uint8_t *memory(uint64_t at, uint64_t size)
{
	wasm_memory_inst_t m = wasm_runtime_get_default_memory(instance);
	uint64_t all = wasm_memory_get_cur_page_count(m) * wasm_memory_get_bytes_per_page(m);
	return at + size > all ? NULL : (uint8_t *)wasm_memory_get_base_address(m) + at;
}

// The functions of WASI that Go's runtime needs. There are no arguments, no environment and no files.
static uint32_t nothing(struct args *a) { return (void)a, OK; }

static uint32_t sizes_get(struct args *a)
{
	put(a->p[0], 4, 0);
	put(a->p[1], 4, 0);
	return OK;
}

static uint32_t clock_time_get(struct args *a)
{
	struct timespec t;
	clock_gettime(a->n[0] == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
	put(a->p[2], 8, (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec);
	return OK;
}

static uint32_t random_get(struct args *a)
{
	return a->size[0] > NAME ? E_INVAL : getrandom(a->p[0], a->size[0], 0) == (ssize_t)a->size[0] ? OK : E_IO;
}

// fd_write prints the last words of Go's runtime before it gives up, up to a limit.
static uint32_t fd_write(struct args *a)
{
	static uint64_t printed;
	uint64_t written = 0;
	uint8_t *vector = memory(a->n[1], 8 * a->n[2]);
	for (uint64_t i = 0; i < a->n[2]; i++, vector += 8) {
		uint64_t size = vector ? get(vector + 4, 4) : 0;
		uint8_t *text = vector ? memory(get(vector, 4), size) : NULL;
		if (a->n[2] > 64 || !text)
			return E_FAULT;
		if ((printed += size) < 1 << 16)
			fwrite(text, 1, size, stderr);
		written += size;
	}
	put(a->p[3], 4, written);
	return OK;
}

// poll_oneoff is how Go's runtime sleeps. Subscriptions to a clock end at once.
static uint32_t poll_oneoff(struct args *a)
{
	uint8_t *in = memory(a->n[0], 48 * a->n[2]), *out = memory(a->n[1], 32 * a->n[2]), event[32] = {0};
	if (a->n[2] > 64 || !in || !out)
		return E_FAULT;
	for (uint64_t i = 0; i < a->n[2]; i++, in += 48, out += 32) {
		memcpy(event, in, 8);
		event[8] = in[8] == 0 ? OK : E_BADF; // not a clock
		event[10] = in[8];
		memcpy(out, event, sizeof event);
	}
	put(a->p[3], 4, a->n[2]);
	usleep(1000);
	return OK;
}

static uint32_t proc_exit(struct args *a) { return wasm_runtime_set_exception(instance, "it gave up"), (void)a, OK; }

static uint32_t no_such_import(struct args *a) { return (void)a, E_NOSYS; }

// Parameters: S, L, C, T and D are handles of a session, listener, connection, file and directory, W of a session or a
// connection, H of any object; f is a name; u is an i32, l an i64; i and o are bytes that the host reads or writes; n, N, a
// and s point to a u32, a u64, an address and a stat record. The last field is the right that the account must have.
#define FTP "ftphost"
#define WASI "wasi_snapshot_preview1"
static const struct row {
	const char *space, *name, *params;
	import *f;
	uint32_t right;
} table[] = {
	{FTP, "config_read", "on", config_read, 0}, {FTP, "events_read", "on", events_read, 0},
	{FTP, "net_address", "Sua", net_address, 0}, {FTP, "net_read", "Son", net_read, 0},
	{FTP, "net_write", "Win", net_write, 0}, {FTP, "net_listen", "Suna", net_listen, 0},
	{FTP, "net_accept", "Ln", net_accept, 0}, {FTP, "net_dial", "San", net_dial, 0},
	{FTP, "handle_close", "H", handle_close, 0},
	{FTP, "auth_login", "Siinn", auth_login, 0},
	{FTP, "file_stat", "Sfus", file_stat, 0}, {FTP, "file_open", "Sfulns", file_open, 0},
	{FTP, "file_list", "Don", file_list, 0}, {FTP, "file_commit", "T", file_commit, 0},
	{FTP, "file_make", "Sfi", file_make, MKDIR}, {FTP, "file_remove", "Sfu", file_remove, DELETE},
	{FTP, "file_rename", "Sff", file_rename, RENAME}, {FTP, "file_set", "Sful", file_set, WRITE},
	{FTP, "file_space", "SfN", file_space, WRITE}, {FTP, "transfer_start", "TCul", transfer_start, 0},
	{FTP, "transfer_progress", "TN", transfer_progress, 0},
	{FTP, NULL, NULL, no_such_import, 0}, // TLS, compression, hashes, and the imports of later engines
	{WASI, "args_get", "uu", nothing, 0}, {WASI, "args_sizes_get", "nn", sizes_get, 0},
	{WASI, "environ_get", "uu", nothing, 0}, {WASI, "environ_sizes_get", "nn", sizes_get, 0},
	{WASI, "clock_time_get", "ulN", clock_time_get, 0}, {WASI, "random_get", "o", random_get, 0},
	{WASI, "fd_write", "uuun", fd_write, 0}, {WASI, "poll_oneoff", "uuun", poll_oneoff, 0},
	{WASI, "sched_yield", "", nothing, 0}, {WASI, "proc_exit", "u", proc_exit, 0},
};

// named copies a name, and refuses one that does not lead down.
static bool named(const uint8_t *p, uint32_t size, char name[NAME])
{
	if (size == 0 || size >= NAME || memchr(p, 0, size))
		return false;
	memcpy(name, p, size);
	name[size] = 0;
	for (const char *e = name; strcmp(name, "."); e++) {
		size_t n = strcspn(e, "/");
		if (n == 0 || (n == 1 && *e == '.') || (n == 2 && !strncmp(e, "..", 2)))
			return false;
		if (!*(e += n))
			break;
	}
	return true;
}

static struct object *held(char letter, uint64_t handle)
{
	static const char kinds[] = " SLCTD";
	for (enum kind k = SESSION; k <= DIRECTORY; k++) {
		struct object *o = find(handle, k);
		if (o && (letter == kinds[k] || letter == 'H' || (letter == 'W' && (k == SESSION || (k == CONN && !o->dialling)))))
			return o;
	}
	return NULL;
}

static uint32_t check(const struct row *r, struct args *a, uint64_t *value)
{
	static const uint8_t sizes[128] = {['n'] = 4, ['N'] = 8, ['a'] = ADDRESS, ['s'] = STAT};
	const char *params = r->params ? r->params : "";
	for (int i = 0; params[i]; i++) {
		a->n[i] = params[i] == 'l' ? *value++ : (uint32_t)*value++; // the upper half of an i32 may be garbage
		if (!strchr("fionNas", params[i]))
			continue;
		a->size[i] = strchr("fio", params[i]) ? (uint32_t)*value++ : sizes[(int)params[i]];
		if (!(a->p[i] = memory(a->n[i], a->size[i])))
			return E_FAULT;
	}
	for (int i = 0; params[i]; i++)
		if (strchr("SLCTDWH", params[i]) && !(a->o[i] = held(params[i], a->n[i])))
			return E_BADF;
	if (strchr(params, 'f') && (!a->o[0]->account || (a->o[0]->account->rights & r->right) != r->right))
		return E_ACCES;
	for (int i = 0, names = 0; params[i]; i++)
		if (params[i] == 'f' && !named(a->p[i], a->size[i], a->name[names++]))
			return E_INVAL;
	return OK;
}

// called is the function of every import.
static void called(wasm_exec_env_t e, uint64_t *stack)
{
	const struct row *r = wasm_runtime_get_function_attachment(e);
	struct args a;
	memset(&a, 0, offsetof(struct args, name));
	if (now() > deadline)
		wasm_runtime_set_exception(instance, "it hung");
	uint32_t error = check(r, &a, stack);
	*stack = error ? error : r->f(&a);
}

// link_import offers an import to the module. WAMR compares the signature; an import with another one traps when called.
static void link_import(const wasm_import_t *type)
{
	const struct row *r = table, *last = table + sizeof table / sizeof *table;
	while (r < last && (strcmp(r->space, type->module_name) || (r->name && strcmp(r->name, type->name))))
		r++;
	if (r == last || type->kind != WASM_IMPORT_EXPORT_KIND_FUNC)
		die(type->name, "this host has no such import");
	char *s = r->name ? calloc(1, 24) : NULL, *at = s;
	if (s) {
		*at++ = '(';
		for (const char *p = r->params; *p; p++)
			at = stpcpy(at, *p == 'l' ? "I" : strchr("fio", *p) ? "ii" : "i");
		strcpy(at, r->f == proc_exit ? ")" : ")i");
	}
	NativeSymbol *symbol = malloc(sizeof *symbol);
	*symbol = (NativeSymbol){type->name, called, s, (void *)r};
	wasm_runtime_register_natives_raw(type->module_name, symbol, 1);
}

void guest_load(const char *path)
{
	enum { LARGEST = 64 << 20 };
	char why[128] = "";
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = malloc(LARGEST);
	size_t size = f ? fread(bytes, 1, LARGEST, f) : 0;
	if (size == 0)
		die(path, "cannot be read");
	fclose(f);
	RuntimeInitArgs init = {.mem_alloc_type = Alloc_With_System_Allocator};
	LoadArgs load = {.name = "", .no_resolve = true};
	if (!wasm_runtime_full_init(&init) || !(module = wasm_runtime_load_ex(bytes, (uint32_t)size, &load, why, sizeof why)))
		die(path, why);
	for (int32_t n = 0; n < wasm_runtime_get_import_count(module); n++) {
		wasm_import_t type;
		wasm_runtime_get_import_type(module, n, &type);
		link_import(&type);
	}
	wasm_runtime_resolve_symbols(module);
}

// call calls an export; cells of value are its arguments, and then its result.
static bool call(const char *name, uint32_t cells, uint32_t *value)
{
	wasm_function_inst_t f = wasm_runtime_lookup_function(instance, name);
	wasm_runtime_set_instruction_count_limit(env, INSTRUCTIONS);
	deadline = now() + (int64_t)LONGEST * SECOND;
	if (f && wasm_runtime_call_wasm(env, f, cells, value))
		return true;
	fprintf(stderr, "%s: %s\n", name, f ? wasm_runtime_get_exception(instance) : "not exported");
	return false;
}

void guest_start(void)
{
	char why[128] = "";
	InstantiationArgs limits = {.default_stack_size = STACK, .max_memory_pages = PAGES};
	if (!(instance = wasm_runtime_instantiate_ex(module, &limits, why, sizeof why)) ||
		!(env = wasm_runtime_create_exec_env(instance, STACK)))
		die("the module does not start", why);
	uint32_t none[2], version[2] = {0}, start[2] = {CONFIG};
	if (!call("_initialize", 0, none) || !call("ftp_abi_version", 0, version) || version[0] != ABI ||
		!call("ftp_start", 1, start) || start[0])
		die("the module", "is no engine for this host");
}

void guest_stop(void)
{
	wasm_runtime_destroy_exec_env(env);
	wasm_runtime_deinstantiate(instance);
}

bool guest_step(int64_t at, uint32_t events, int64_t *next)
{
	uint32_t value[3];
	memcpy(value, &at, sizeof at);
	value[2] = events;
	bool well = call("ftp_step", 3, value);
	memcpy(next, value, sizeof *next);
	return well;
}
