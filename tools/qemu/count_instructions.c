// A TCG plugin for qemu-user 7.2 that prints how many guest instructions a program executed, exactly; with the argument
// `bytes=on` also how many bytes its loads and stores moved (ten times slower; exact for one thread), with `symbols=on`
// how many instructions each function of the program itself executed (those above a thousandth of all).
// The distribution packages no header for plugins: these are the declarations that it uses.
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*tb_trans_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*atexit_cb)(qemu_plugin_id_t id, void *userdata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *counter,
                                              uint64_t amount);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, atexit_cb callback, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
void qemu_plugin_outs(const char *text);

struct qemu_plugin_insn;
typedef uint32_t qemu_plugin_meminfo_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_RW = 3 };
typedef void (*mem_cb)(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *userdata);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_cb callback, enum qemu_plugin_cb_flags flags,
                                      enum qemu_plugin_mem_rw rw, void *userdata);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t executed, loaded, stored;
static bool with_bytes, with_symbols;

enum { kFunctions = 4096 };
static struct function {
  const char *name;
  uint64_t executed;
} functions[kFunctions];

// A function's own counter; those without a name, or beyond the last place, share the first.
static uint64_t *counter_of(const char *name) {
  size_t at = 0;
  if (name != NULL) {
    for (at = 1; at < kFunctions && functions[at].name != NULL && strcmp(functions[at].name, name) != 0;) ++at;
    if (at == kFunctions) at = 0;
    if (at > 0) functions[at].name = name;
  }
  return &functions[at].executed;
}

static void moved(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *userdata) {
  (void)vcpu;
  (void)address;
  (void)userdata;
  *(qemu_plugin_mem_is_store(info) ? &stored : &loaded) += UINT64_C(1) << qemu_plugin_mem_size_shift(info);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(tb));
  if (with_symbols) {
    uint64_t *counter = counter_of(qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0)));
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, counter, qemu_plugin_tb_n_insns(tb));
  }
  for (size_t i = 0; with_bytes && i < qemu_plugin_tb_n_insns(tb); ++i) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    qemu_plugin_register_vcpu_mem_cb(insn, moved, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
  }
}

static void print(qemu_plugin_id_t id, void *userdata) {
  (void)id;
  (void)userdata;
  char line[128];
  snprintf(line, sizeof(line), "instructions %" PRIu64 "\n", executed);
  qemu_plugin_outs(line);
  for (size_t i = 0; with_symbols && i < kFunctions; ++i) {
    if (functions[i].executed * 1000 < executed || functions[i].executed == 0) continue;
    snprintf(line, sizeof(line), "%" PRIu64 " %.90s\n", functions[i].executed, i > 0 ? functions[i].name : "(others)");
    qemu_plugin_outs(line);
  }
  if (!with_bytes) return;
  snprintf(line, sizeof(line), "loaded %" PRIu64 "\nstored %" PRIu64 "\n", loaded, stored);
  qemu_plugin_outs(line);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
                                                               char **argv) {
  (void)info;
  for (int i = 0; i < argc; ++i) {
    with_bytes |= strcmp(argv[i], "bytes=on") == 0;
    with_symbols |= strcmp(argv[i], "symbols=on") == 0;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, print, NULL);
  return 0;
}
