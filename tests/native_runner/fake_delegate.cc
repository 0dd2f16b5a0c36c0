// An external delegate that does nothing, of another maker: it knows one option, "speed", and wants it to be "high".
#include <cstddef>
#include <cstring>

extern "C" {

void* tflite_plugin_create_delegate(const char* const* keys, const char* const* values, size_t count,
                                    void (*report_error)(const char*)) {
  static int delegate;
  for (size_t i = 0; i < count; ++i) {
    if (std::strcmp(keys[i], "speed") != 0 || std::strcmp(values[i], "high") != 0) {
      report_error("speed=high is all that it knows");
      return nullptr;
    }
  }
  return &delegate;
}
void tflite_plugin_destroy_delegate(void*) {}

}  // extern "C"
