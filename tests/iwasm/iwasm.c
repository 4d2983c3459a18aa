// The part of WAMR's program iwasm that runs a WASI command, with the same flags
// and limits, on the same library. The registries have the library's sources
// but not the program's. One flag does more: --env=NAME passes on the value that the
// variable has here, since everybody can read a password on a command line.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

enum { MOST = 8 }; // values of a flag, as in iwasm

struct list {
	const char *values[MOST];
	uint32_t count;
};

static struct list dirs, map_dirs, envs, addrs;
static uint32_t stack_size = 64 * 1024, heap_size = 0;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "iwasm: %s: %s\n", what, why);
	exit(1);
}

// add appends the rest of an argument that begins with the flag.
static bool add(struct list *l, const char *argument, const char *flag)
{
	size_t n = strlen(flag);
	if (strncmp(argument, flag, n) != 0)
		return false;
	if (l->count == MOST)
		fail(argument, "too many");
	l->values[l->count++] = argument + n;
	return true;
}

static bool size(uint32_t *to, const char *argument, const char *flag)
{
	struct list l = {0};
	if (!add(&l, argument, flag))
		return false;
	*to = (uint32_t)strtoul(l.values[0], NULL, 10);
	return true;
}

static void split(struct list *l)
{
	struct list whole = *l;
	l->count = 0;
	for (uint32_t i = 0; i < whole.count; i++)
		for (char *a = strtok((char *)whole.values[i], ","); a; a = strtok(NULL, ","))
			add(l, a, "");
}

// inherit completes variables without a value by their values in the environment.
static void inherit(struct list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const char *name = l->values[i], *value = getenv(name);
		if (strchr(name, '='))
			continue;
		if (!value)
			fail(name, "is not set");
		char *both = malloc(strlen(name) + strlen(value) + 2);
		sprintf(both, "%s=%s", name, value);
		l->values[i] = both;
	}
}

static uint8_t *read_file(const char *name, uint32_t *length)
{
	FILE *f = fopen(name, "rb");
	if (!f || fseek(f, 0, SEEK_END) != 0)
		fail(name, "cannot be read");
	long n = ftell(f);
	rewind(f);
	uint8_t *bytes = malloc((size_t)n);
	if (n < 0 || !bytes || fread(bytes, 1, (size_t)n, f) != (size_t)n)
		fail(name, "cannot be read");
	fclose(f);
	*length = (uint32_t)n;
	return bytes;
}

static int run(int argc, char **argv)
{
	char why[128] = "";
	uint32_t length;
	uint8_t *bytes = read_file(argv[0], &length);
	wasm_module_t module = wasm_runtime_load(bytes, length, why, sizeof why);
	if (!module)
		fail(argv[0], why);
	wasm_runtime_set_wasi_args(module, dirs.values, dirs.count, map_dirs.values, map_dirs.count, envs.values, envs.count, argv, argc);
	wasm_runtime_set_wasi_addr_pool(module, addrs.values, addrs.count);
	wasm_module_inst_t instance = wasm_runtime_instantiate(module, stack_size, heap_size, why, sizeof why);
	if (!instance)
		fail(argv[0], why);
	if (!wasm_application_execute_main(instance, argc, argv))
		fail(argv[0], wasm_runtime_get_exception(instance));
	return (int)wasm_runtime_get_wasi_exit_code(instance);
}

int main(int argc, char **argv)
{
	for (argc--, argv++; argc > 0 && argv[0][0] == '-'; argc--, argv++)
		if (!add(&dirs, *argv, "--dir=") && !add(&map_dirs, *argv, "--map-dir=") && !add(&envs, *argv, "--env=")
			&& !add(&addrs, *argv, "--addr-pool=") && !size(&stack_size, *argv, "--stack-size=")
			&& !size(&heap_size, *argv, "--heap-size="))
			fail(*argv, "unknown flag");
	if (argc == 0)
		fail("usage", "iwasm [flags] module [arguments]");
	split(&addrs);
	inherit(&envs);
	RuntimeInitArgs init = {.mem_alloc_type = Alloc_With_System_Allocator};
	if (!wasm_runtime_full_init(&init))
		fail("WAMR", "does not start");
	return run(argc, argv);
}
