// A library for LD_PRELOAD that sees what a process does to the files below one directory, the
// root: it writes a trace of it, from which the images of a power loss are made, or it kills the
// process in the middle of the n-th call.
//
// INVARIANT: one lock is held from a call that changes something to its record, so the order of
// the trace is the order of the effects. A flush is two records, its begin and its end: what was
// recorded before the begin is durable from the end on. A write through a descriptor with O_DSYNC
// is one record, and the end of a flush that covers it alone.
//
// Nothing is flushed for real in a process under this library, which makes it fast: what a flush
// means is in the trace. It takes up to 0.25 ms, so that other threads get in between.
//
// Not seen: writes to a mapping, and system calls made without libc. Who makes images compares the
// last one with the real directory, which finds such a call.
//
// Record, all numbers little-endian: kind u32, length of the rest u32, u64 fields, bytes.
//   1 note      bytes                         7 length    inode, length
//   2 present   inode, is directory; path     8 allocate  inode, mode, offset, length
//   3 create    inode; path                   9 begin     inode, token
//   4 mkdir     inode; path                  10 end       token
//   5 rename    old path, zero byte, new     11 other     name of a call that images don't know
//   6 write     inode, offset, token; bytes  12 remove    path
// The token of a write is 0 without O_DSYNC.
// Paths are relative to the root. An inode number is that of the last file created with it.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <unordered_set>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

enum Kind : uint32_t {
  kNote = 1, kPresent = 2, kCreate = 3, kMakeDirectory = 4, kRename = 5, kWrite = 6,
  kLength = 7, kAllocate = 8, kFlushBegin = 9, kFlushEnd = 10, kOther = 11, kRemove = 12,
};

constexpr size_t kBufferBytes = 1 << 20;
constexpr uint64_t kFlushMicroseconds = 250;

/// Where in the chosen call the process is killed.
enum class Moment { kNone, kBefore, kDuring, kAfter };

struct State {
  std::string root;
  dev_t device = 0;
  std::unordered_set<uint64_t> inodes;
  /// Descriptors that were opened with O_DSYNC, which they have not in truth.
  std::unordered_set<int> synchronous;
  int trace = -1;
  bool failed = false;
  std::string buffer;
  uint64_t token = 0;
  uint64_t calls = 0;
  uint64_t kill_at = 0;
  Moment kill_moment = Moment::kNone;
};

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
State* state = nullptr;

/// Holds the lock and, while a root is set, the state.
class Session {
 public:
  Session() {
    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == nullptr) return;
    pthread_mutex_lock(&mutex);
    locked_ = true;
  }
  ~Session() { release(); }
  void release() {
    if (locked_) pthread_mutex_unlock(&mutex);
    locked_ = false;
  }
  State* get() const { return locked_ ? state : nullptr; }

 private:
  bool locked_ = false;
};

bool write_out(int fd, const char* bytes, size_t length) {
  while (length > 0) {
    const ssize_t written = syscall(SYS_write, fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    length -= static_cast<size_t>(written);
  }
  return true;
}

void flush_trace(State& s) {
  if (!write_out(s.trace, s.buffer.data(), s.buffer.size())) s.failed = true;
  s.buffer.clear();
}

void append(State& s, Kind kind, const std::vector<uint64_t>& fields, const iovec* parts,
            int count, size_t length) {
  if (s.trace < 0) return;
  const uint32_t head[2] = {kind, static_cast<uint32_t>(fields.size() * 8 + length)};
  s.buffer.append(reinterpret_cast<const char*>(head), sizeof head);
  s.buffer.append(reinterpret_cast<const char*>(fields.data()), fields.size() * 8);
  for (int i = 0; i < count && length > 0; i++) {
    const size_t taken = parts[i].iov_len < length ? parts[i].iov_len : length;
    s.buffer.append(static_cast<const char*>(parts[i].iov_base), taken);
    length -= taken;
  }
  if (s.buffer.size() >= kBufferBytes) flush_trace(s);
}

void append(State& s, Kind kind, const std::vector<uint64_t>& fields, const std::string& bytes) {
  const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  append(s, kind, fields, &part, 1, bytes.size());
}

[[noreturn]] void die() {
  for (;;) kill(getpid(), SIGKILL);
}

/// Counts a call that would be recorded; kills the process if it is to die before this one.
Moment count_call(State& s) {
  if (++s.calls != s.kill_at) return Moment::kNone;
  if (s.kill_moment == Moment::kBefore) die();
  return s.kill_moment;
}

/// The call has had its effect.
void finish_call(Moment moment) {
  if (moment != Moment::kNone) die();
}

/// The inode behind a descriptor, 0 when it is not below the root.
uint64_t inode_of(const State& s, int fd) {
  struct stat found;
  if (fstat(fd, &found) != 0) return 0;
  return found.st_dev == s.device && s.inodes.count(found.st_ino) > 0 ? found.st_ino : 0;
}

/// True when the path is below the root or the root; `name` is then its relative path.
bool is_below(const State& s, int directory, const char* path, std::string& name) {
  std::string whole = path;
  if (path[0] != '/') {
    char base[PATH_MAX];
    if (directory == AT_FDCWD) {
      if (getcwd(base, sizeof base) == nullptr) return false;
    } else {
      const std::string link = "/proc/self/fd/" + std::to_string(directory);
      const ssize_t length = readlink(link.c_str(), base, sizeof base - 1);
      if (length < 0) return false;
      base[length] = 0;
    }
    whole = std::string(base) + "/" + path;
  }
  if (whole == s.root) {
    name.clear();
    return true;
  }
  if (whole.compare(0, s.root.size(), s.root) != 0 || whole[s.root.size()] != '/') return false;
  name = whole.substr(s.root.size() + 1);
  return true;
}

void note_present(State& s, const std::string& name) {
  const std::string path = name.empty() ? s.root : s.root + "/" + name;
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return;
  if (name.empty()) s.device = found.st_dev;
  s.inodes.insert(found.st_ino);
  append(s, kPresent, {found.st_ino, S_ISDIR(found.st_mode) ? 1u : 0u}, name);
  DIR* entries = S_ISDIR(found.st_mode) ? opendir(path.c_str()) : nullptr;
  if (entries == nullptr) return;
  while (const dirent* entry = readdir(entries)) {
    const std::string inner = entry->d_name;
    if (inner != "." && inner != "..") note_present(s, name.empty() ? inner : name + "/" + inner);
  }
  closedir(entries);
}

bool begin(const char* root, int trace, uint64_t kill_at, Moment moment) {
  State* fresh = new State;
  fresh->root = root;
  fresh->trace = trace;
  fresh->kill_at = kill_at;
  fresh->kill_moment = moment;
  note_present(*fresh, "");
  pthread_mutex_lock(&mutex);
  const bool idle = state == nullptr;
  if (idle) __atomic_store_n(&state, fresh, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&mutex);
  if (!idle) delete fresh;
  return idle;
}

/// POWERLOSS_KILL is "<number of the call> <before|during|after>", POWERLOSS_ROOT the root.
__attribute__((constructor)) void begin_from_environment() {
  const char* root = getenv("POWERLOSS_ROOT");
  const char* kill_at = getenv("POWERLOSS_KILL");
  if (root == nullptr || kill_at == nullptr) return;
  char* rest = nullptr;
  const uint64_t call = strtoull(kill_at, &rest, 10);
  const std::string moment = rest[0] == ' ' ? rest + 1 : "";
  begin(root, -1, call,
        moment == "before"   ? Moment::kBefore
        : moment == "during" ? Moment::kDuring
                             : Moment::kAfter);
}

/// A write at `at`, or at the descriptor's position when that is negative.
ssize_t put(int fd, const iovec* parts, int count, off_t at) {
  const auto call = [fd, at](const iovec* what, int number) -> ssize_t {
    if (at < 0) return syscall(SYS_writev, fd, what, number);
    return syscall(SYS_pwritev, fd, what, number, at, 0);
  };
  Session session;
  State* s = session.get();
  const uint64_t inode = s == nullptr ? 0 : inode_of(*s, fd);
  if (inode == 0) {
    session.release();
    return call(parts, count);
  }
  const Moment moment = count_call(*s);
  off_t start = at;
  if (at < 0) {
    const bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    start = lseek(fd, 0, appends ? SEEK_END : SEEK_CUR);
  }
  if (moment == Moment::kDuring) {
    iovec first = parts[0];
    if (count == 1) first.iov_len /= 2;
    call(&first, 1);
    die();
  }
  const ssize_t written = call(parts, count);
  if (written <= 0) return written;
  const uint64_t token = s->synchronous.count(fd) > 0 ? ++s->token : 0;
  append(*s, kWrite, {inode, static_cast<uint64_t>(start), token}, parts, count,
         static_cast<size_t>(written));
  if (token != 0) append(*s, kFlushEnd, {token}, "");
  finish_call(moment);
  return written;
}

int flush(int fd) {
  Session session;
  State* s = session.get();
  const uint64_t inode = s == nullptr ? 0 : inode_of(*s, fd);
  if (inode == 0) return 0;
  const Moment moment = count_call(*s);
  const uint64_t token = ++s->token;
  append(*s, kFlushBegin, {inode, token}, "");
  if (moment == Moment::kDuring) die();
  session.release();
  const uint64_t spread = (token * 0x9e3779b97f4a7c15u) >> 40;
  const timespec pause = {0, static_cast<long>(spread % kFlushMicroseconds) * 1000};
  nanosleep(&pause, nullptr);
  Session after;
  if (after.get() != nullptr) append(*after.get(), kFlushEnd, {token}, "");
  finish_call(moment);
  return 0;
}

int open_file(int directory, const char* path, int flags, mode_t mode) {
  Session session;
  State* s = session.get();
  const int wanted = flags & ~O_SYNC;
  std::string name;
  if (s == nullptr || !is_below(*s, directory, path, name)) {
    session.release();
    const int fd = static_cast<int>(syscall(SYS_openat, directory, path, flags, mode));
    Session after;
    if (after.get() != nullptr) after.get()->synchronous.erase(fd);
    return fd;
  }
  struct stat before;
  const bool existed = fstatat(directory, path, &before, 0) == 0;
  const bool creates = (flags & O_CREAT) != 0 && !existed;
  const bool empties = (flags & O_TRUNC) != 0 && existed && before.st_size > 0;
  const Moment moment = creates || empties ? count_call(*s) : Moment::kNone;
  const int fd = static_cast<int>(syscall(SYS_openat, directory, path, wanted, mode));
  if (fd < 0) return fd;
  struct stat found;
  if (creates && fstat(fd, &found) == 0) {
    s->inodes.insert(found.st_ino);
    append(*s, kCreate, {found.st_ino}, name);
  }
  if (empties) append(*s, kLength, {before.st_ino, 0}, "");
  s->synchronous.erase(fd);
  if ((flags & O_DSYNC) != 0) s->synchronous.insert(fd);
  finish_call(moment);
  return fd;
}

int make_directory(int directory, const char* path, mode_t mode) {
  const auto call = [&] { return static_cast<int>(syscall(SYS_mkdirat, directory, path, mode)); };
  Session session;
  State* s = session.get();
  std::string name;
  if (s == nullptr || !is_below(*s, directory, path, name)) return call();
  const Moment moment = count_call(*s);
  const int result = call();
  struct stat found;
  if (result == 0 && fstatat(directory, path, &found, 0) == 0) {
    s->inodes.insert(found.st_ino);
    append(*s, kMakeDirectory, {found.st_ino}, name);
  }
  finish_call(moment);
  return result;
}

int remove_name(int directory, const char* path, int flags) {
  const auto call = [&] { return static_cast<int>(syscall(SYS_unlinkat, directory, path, flags)); };
  Session session;
  State* s = session.get();
  std::string name;
  if (s == nullptr || !is_below(*s, directory, path, name)) return call();
  const Moment moment = count_call(*s);
  const int result = call();
  if (result == 0) append(*s, kRemove, {}, name);
  finish_call(moment);
  return result;
}

int rename_file(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  const auto call = [&] {
    return static_cast<int>(syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
  };
  Session session;
  State* s = session.get();
  std::string from_name;
  std::string to_name;
  if (s == nullptr) return call();
  const bool from_below = is_below(*s, from_dir, from, from_name);
  const bool to_below = is_below(*s, to_dir, to, to_name);
  if (!from_below && !to_below) return call();
  const Moment moment = count_call(*s);
  const int result = call();
  if (result == 0 && (from_below != to_below || flags != 0)) append(*s, kOther, {}, "renameat2");
  else if (result == 0) append(*s, kRename, {}, from_name + '\0' + to_name);
  finish_call(moment);
  return result;
}

int set_length(int fd, off_t length) {
  Session session;
  State* s = session.get();
  const uint64_t inode = s == nullptr ? 0 : inode_of(*s, fd);
  const Moment moment = inode == 0 ? Moment::kNone : count_call(*s);
  const int result = static_cast<int>(syscall(SYS_ftruncate, fd, length));
  if (inode == 0) return result;
  if (result == 0) append(*s, kLength, {inode, static_cast<uint64_t>(length)}, "");
  finish_call(moment);
  return result;
}

int allocate(int fd, int mode, off_t offset, off_t length) {
  Session session;
  State* s = session.get();
  const uint64_t inode = s == nullptr ? 0 : inode_of(*s, fd);
  const Moment moment = inode == 0 ? Moment::kNone : count_call(*s);
  const int result = static_cast<int>(syscall(SYS_fallocate, fd, mode, offset, length));
  if (inode == 0) return result;
  if (result == 0) {
    append(*s, kAllocate, {inode, static_cast<uint64_t>(mode), static_cast<uint64_t>(offset),
                           static_cast<uint64_t>(length)}, "");
  }
  finish_call(moment);
  return result;
}

/// Calls whose effect images don't know: a trace with one is refused.
void note_other(int fd, const char* what) {
  Session session;
  State* s = session.get();
  if (s != nullptr && inode_of(*s, fd) != 0) append(*s, kOther, {}, what);
}

iovec part(const void* bytes, size_t length) { return {const_cast<void*>(bytes), length}; }

/// The mode of an `open`, which is there only when a file may be made.
mode_t mode_of(int flags, va_list rest) {
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return creates ? va_arg(rest, mode_t) : 0;
}

}  // namespace

/// Starts a trace of what happens below `root`, an absolute path without links. 0, or -1.
EXPORT int powerloss_start(const char* root, const char* trace) {
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, trace, flags, 0600));
  if (fd < 0) return -1;
  if (begin(root, fd, 0, Moment::kNone)) return 0;
  syscall(SYS_close, fd);
  return -1;
}

/// Ends the trace; -1 when it could not be written.
EXPORT int powerloss_stop() {
  pthread_mutex_lock(&mutex);
  State* ended = state;
  __atomic_store_n(&state, nullptr, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&mutex);
  if (ended == nullptr) return -1;
  flush_trace(*ended);
  const bool failed = ended->failed;
  syscall(SYS_close, ended->trace);
  delete ended;
  return failed ? -1 : 0;
}

/// Puts a note into the trace.
EXPORT void powerloss_note(const char* bytes, size_t length) {
  Session session;
  if (session.get() != nullptr) append(*session.get(), kNote, {}, std::string(bytes, length));
}

EXPORT ssize_t write(int fd, const void* bytes, size_t length) {
  const iovec one = part(bytes, length);
  return put(fd, &one, 1, -1);
}
EXPORT ssize_t writev(int fd, const iovec* parts, int count) { return put(fd, parts, count, -1); }
EXPORT ssize_t pwrite(int fd, const void* bytes, size_t length, off_t at) {
  const iovec one = part(bytes, length);
  return put(fd, &one, 1, at);
}
EXPORT ssize_t pwrite64(int fd, const void* bytes, size_t length, off64_t at) {
  const iovec one = part(bytes, length);
  return put(fd, &one, 1, at);
}
EXPORT ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) {
  return put(fd, parts, count, at);
}
EXPORT ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t at) {
  return put(fd, parts, count, at);
}
EXPORT ssize_t pwritev2(int fd, const iovec* parts, int count, off_t at, int flags) {
  note_other(fd, "pwritev2");
  return syscall(SYS_pwritev2, fd, parts, count, at, 0, flags);
}
EXPORT ssize_t copy_file_range(int from, off64_t* at, int to, off64_t* to_at, size_t length,
                               unsigned flags) {
  note_other(to, "copy_file_range");
  return syscall(SYS_copy_file_range, from, at, to, to_at, length, flags);
}
EXPORT ssize_t sendfile(int to, int from, off_t* at, size_t count) noexcept {
  note_other(to, "sendfile");
  return syscall(SYS_sendfile, to, from, at, count);
}
EXPORT ssize_t sendfile64(int to, int from, off64_t* at, size_t count) noexcept {
  note_other(to, "sendfile");
  return syscall(SYS_sendfile, to, from, at, count);
}
EXPORT int fsync(int fd) { return flush(fd); }
EXPORT int fdatasync(int fd) { return flush(fd); }
/// Starts or awaits writing, but not the disk's own cache: nothing is durable after it.
EXPORT int sync_file_range(int, off64_t, off64_t, unsigned) { return 0; }
/// A mapping's writes are not seen, so a flush of them says nothing.
EXPORT int msync(void*, size_t, int) { return 0; }

EXPORT int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(AT_FDCWD, path, flags, mode);
}
EXPORT int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(AT_FDCWD, path, flags, mode);
}
EXPORT int openat(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(directory, path, flags, mode);
}
EXPORT int openat64(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(directory, path, flags, mode);
}
EXPORT int creat(const char* path, mode_t mode) {
  return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
EXPORT int creat64(const char* path, mode_t mode) { return creat(path, mode); }
EXPORT int close(int fd) {
  {
    Session session;
    if (session.get() != nullptr) session.get()->synchronous.erase(fd);
  }
  return static_cast<int>(syscall(SYS_close, fd));
}

EXPORT int mkdir(const char* path, mode_t mode) noexcept {
  return make_directory(AT_FDCWD, path, mode);
}
EXPORT int mkdirat(int directory, const char* path, mode_t mode) noexcept {
  return make_directory(directory, path, mode);
}
EXPORT int rmdir(const char* path) noexcept { return remove_name(AT_FDCWD, path, AT_REMOVEDIR); }
EXPORT int unlink(const char* path) noexcept { return remove_name(AT_FDCWD, path, 0); }
EXPORT int unlinkat(int directory, const char* path, int flags) noexcept {
  return remove_name(directory, path, flags);
}
EXPORT int rename(const char* from, const char* to) noexcept {
  return rename_file(AT_FDCWD, from, AT_FDCWD, to, 0);
}
EXPORT int renameat(int from_dir, const char* from, int to_dir, const char* to) noexcept {
  return rename_file(from_dir, from, to_dir, to, 0);
}
EXPORT int renameat2(int from_dir, const char* from, int to_dir, const char* to,
                     unsigned flags) noexcept {
  return rename_file(from_dir, from, to_dir, to, flags);
}

EXPORT int ftruncate(int fd, off_t length) noexcept { return set_length(fd, length); }
EXPORT int ftruncate64(int fd, off64_t length) noexcept { return set_length(fd, length); }
EXPORT int truncate(const char* path, off_t length) noexcept {
  const int fd = open_file(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  const int result = set_length(fd, length);
  close(fd);
  return result;
}
EXPORT int truncate64(const char* path, off64_t length) noexcept { return truncate(path, length); }
EXPORT int fallocate(int fd, int mode, off_t offset, off_t length) {
  return allocate(fd, mode, offset, length);
}
EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  return allocate(fd, mode, offset, length);
}
/// Returns its error, other than its fellows.
EXPORT int posix_fallocate(int fd, off_t offset, off_t length) {
  return allocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return posix_fallocate(fd, offset, length);
}
