// The few parts of libuv that the transport uses. The headers of libuv do not come with the N-API
// headers, and a user's Node need not have them installed, so they are declared here. Everything
// below is part of libuv's stable ABI (1.19 and later; Node has 1.20 and later); handles are
// opaque, their sizes are asked at run time.

#ifndef KRONOTOP_TRANSPORT_LIBUV_H_
#define KRONOTOP_TRANSPORT_LIBUV_H_

#include <cstddef>

extern "C" {

struct uv_loop_s;
struct uv_handle_s;

using uv_handle_cb = void (*)(uv_handle_s* handle);
using uv_poll_event_cb = void (*)(uv_handle_s* handle, int status, int events);

size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void* uv_handle_get_data(const uv_handle_s* handle);
void uv_unref(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, uv_handle_cb on_closed);

int uv_poll_init(uv_loop_s* loop, uv_handle_s* handle, int fd);
int uv_poll_start(uv_handle_s* handle, int events, uv_poll_event_cb on_event);
int uv_prepare_init(uv_loop_s* loop, uv_handle_s* handle);
int uv_prepare_start(uv_handle_s* handle, uv_handle_cb on_prepare);
int uv_idle_init(uv_loop_s* loop, uv_handle_s* handle);
int uv_idle_start(uv_handle_s* handle, uv_handle_cb on_idle);
int uv_idle_stop(uv_handle_s* handle);

}  // extern "C"

// Values of uv_handle_type and uv_poll_event.
constexpr int kUvIdle = 6;
constexpr int kUvPoll = 8;
constexpr int kUvPrepare = 9;
constexpr int kUvReadable = 1;

#endif  // KRONOTOP_TRANSPORT_LIBUV_H_
