#include "library.h"

#include <dlfcn.h>

#include <mutex>

namespace kronotop {

Library fdb;

void loadLibrary(const std::string& path) {
  static std::mutex mutex;
  static std::string loaded;
  std::lock_guard<std::mutex> lock(mutex);
  if (loaded == path) return;
  if (!loaded.empty()) {
    throw std::runtime_error("cannot load " + path + ": " + loaded +
                             " is already loaded in this process");
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    throw std::runtime_error(reason != nullptr ? reason : "cannot load " + path);
  }
#define KRONOTOP_REQUIRE(member, ...)                                                       \
  if (dlsym(handle, fdb.member.name()) == nullptr) {                                        \
    throw std::runtime_error(path + " is no libfdb_c of 6.1 or later: it has no " +        \
                             fdb.member.name());                                            \
  }
  KRONOTOP_FDB_FUNCTIONS(KRONOTOP_REQUIRE)
#undef KRONOTOP_REQUIRE
#define KRONOTOP_BIND(member, ...) fdb.member.bind(dlsym(handle, fdb.member.name()));
  KRONOTOP_FDB_FUNCTIONS(KRONOTOP_BIND)
  KRONOTOP_FDB_LATER_FUNCTIONS(KRONOTOP_BIND)
#undef KRONOTOP_BIND
  fdb.last_error.bind(dlsym(handle, fdb.last_error.name()));
  fdb.get_packed.bind(dlsym(handle, fdb.get_packed.name()));
  loaded = path;
}

}  // namespace kronotop
