// The native methods of org.repbnn.NativeLibrary. Java objects serialise their calls and never hand over a freed
// handle.
#include <jni.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "delegate/repbnn_delegate.h"
#include "engine.h"
#include "runner/timing.h"

namespace repbnn {
namespace {

constexpr char kClass[] = "org/repbnn/NativeLibrary";
constexpr int kMaxOptions = 64;

Runtime g_runtime;
jclass g_class;
jmethodID g_failure;
jmethodID g_on_runs;

void throw_out_of_memory(JNIEnv* env) {
  jclass error = env->FindClass("java/lang/OutOfMemoryError");
  if (error != nullptr) env->ThrowNew(error, "the model does not fit into memory");
}

// Modified UTF-8 wants no byte that is not ASCII here: names in a hostile file are anything.
jstring to_java(JNIEnv* env, const char* text) {
  char plain[1024];
  size_t used = 0;
  for (const char* c = text != nullptr ? text : ""; *c != '\0' && used + 1 < sizeof plain; ++c) {
    plain[used++] = *c >= ' ' && *c <= '~' ? *c : '?';
  }
  plain[used] = '\0';
  return env->NewStringUTF(plain);
}

void throw_failure(JNIEnv* env, const char* stage, const char* message) {
  jstring java_stage = env->NewStringUTF(stage);
  jstring java_message = java_stage != nullptr ? to_java(env, message) : nullptr;
  if (java_message == nullptr) return;  // an OutOfMemoryError is on its way
  jobject failure = env->CallStaticObjectMethod(g_class, g_failure, java_stage, java_message);
  if (!env->ExceptionCheck() && failure != nullptr) env->Throw(static_cast<jthrowable>(failure));
}

Engine* engine_of(jlong handle) { return reinterpret_cast<Engine*>(handle); }

// Strings of a Java array, released together.
class Strings {
 public:
  Strings(JNIEnv* env, jobjectArray array) : env_(env), size_(env->GetArrayLength(array)) {
    if (size_ > kMaxOptions) size_ = kMaxOptions;
    for (int i = 0; i < size_; ++i) {
      java_[i] = static_cast<jstring>(env->GetObjectArrayElement(array, i));
      text_[i] = !env->ExceptionCheck() && java_[i] != nullptr ? env->GetStringUTFChars(java_[i], nullptr) : nullptr;
      complete_ = complete_ && text_[i] != nullptr;
    }
  }
  ~Strings() {
    for (int i = 0; i < size_; ++i) {
      if (text_[i] != nullptr) env_->ReleaseStringUTFChars(java_[i], text_[i]);
      if (java_[i] != nullptr) env_->DeleteLocalRef(java_[i]);
    }
  }
  Strings(const Strings&) = delete;
  Strings& operator=(const Strings&) = delete;

  bool complete() const { return complete_; }
  int size() const { return size_; }
  const char* const* data() const { return text_; }

 private:
  JNIEnv* env_;
  int size_;
  bool complete_ = true;
  jstring java_[kMaxOptions] = {};
  const char* text_[kMaxOptions] = {};
};

jstring open_runtime_library(JNIEnv* env, jclass, jstring file_name) {
  const char* name = env->GetStringUTFChars(file_name, nullptr);
  if (name == nullptr) return nullptr;
  char why[512];
  const char* error = open_runtime(name, &g_runtime, why, sizeof why);
  env->ReleaseStringUTFChars(file_name, name);
  return error != nullptr ? to_java(env, error) : nullptr;
}

jstring runtime_version(JNIEnv* env, jclass) { return to_java(env, g_runtime.Version()); }

// The plugin's report_error has no user data; Java's side makes one delegate at a time.
char g_delegate_error[1024];
void keep_delegate_error(const char* message) {
  std::snprintf(g_delegate_error, sizeof g_delegate_error, "%s", message);
}

jlong create_delegate(JNIEnv* env, jclass, jobjectArray keys, jobjectArray values) {
  const Strings key_strings(env, keys), value_strings(env, values);
  if (!key_strings.complete() || !value_strings.complete() || key_strings.size() != value_strings.size()) {
    if (!env->ExceptionCheck()) throw_failure(env, "delegate", "an option is null");
    return 0;
  }
  g_delegate_error[0] = '\0';
  TfLiteDelegate* delegate = tflite_plugin_create_delegate(
      key_strings.data(), value_strings.data(), static_cast<size_t>(key_strings.size()), keep_delegate_error);
  if (delegate == nullptr && std::strcmp(g_delegate_error, "out of memory") == 0) {
    throw_out_of_memory(env);
  } else if (delegate == nullptr) {
    throw_failure(env, "delegate", g_delegate_error);
  }
  return reinterpret_cast<jlong>(delegate);
}

void delete_delegate(JNIEnv*, jclass, jlong delegate) {
  tflite_plugin_destroy_delegate(reinterpret_cast<TfLiteDelegate*>(delegate));
}

jlong create_engine(JNIEnv* env, jclass, jobject model, jint threads, jlong delegate) {
  const void* data = env->GetDirectBufferAddress(model);
  const jlong size = env->GetDirectBufferCapacity(model);
  FirstMessage message;
  const char* stage = "model";
  Engine* engine = nullptr;
  if (data != nullptr && size > 0) {
    engine = Engine::create(g_runtime, data, static_cast<size_t>(size), threads,
                            reinterpret_cast<TfLiteDelegate*>(delegate), &message, &stage);
  }
  if (engine != nullptr) return reinterpret_cast<jlong>(engine);
  // The delegate's own words: the runtime passes them on, not what they mean.
  constexpr char kDelegateOutOfMemory[] = "repbnn: out of memory";
  const bool delegate_failed = std::strncmp(message.text(), kDelegateOutOfMemory, sizeof kDelegateOutOfMemory - 1) == 0;
  if (delegate_failed || std::strcmp(stage, "memory") == 0) {
    throw_out_of_memory(env);
  } else {
    throw_failure(env, stage, message.text());
  }
  return 0;
}

void delete_engine(JNIEnv*, jclass, jlong engine) { delete engine_of(engine); }

jintArray int_array(JNIEnv* env, const jint* values, int count) {
  jintArray array = env->NewIntArray(count);
  if (array != nullptr) env->SetIntArrayRegion(array, 0, count, values);
  return array;
}

jintArray tensor_counts(JNIEnv* env, jclass, jlong handle) {
  const jint counts[] = {engine_of(handle)->count(true), engine_of(handle)->count(false)};
  return int_array(env, counts, 2);
}

// The tensor, or null with an exception on its way.
const TfLiteTensor* tensor_of(JNIEnv* env, jlong handle, jboolean input, jint index) {
  const TfLiteTensor* tensor = engine_of(handle)->tensor(input == JNI_TRUE, index);
  if (tensor == nullptr) throw_failure(env, "tensor", "there is no tensor of this number");
  return tensor;
}

jintArray tensor_layout(JNIEnv* env, jclass, jlong handle, jboolean input, jint index) {
  constexpr int kHead = 2, kMaxRank = 8;
  const TfLiteTensor* tensor = tensor_of(env, handle, input, index);
  if (tensor == nullptr) return nullptr;
  const Runtime& runtime = engine_of(handle)->runtime();
  jint layout[kHead + kMaxRank] = {runtime.TensorType(tensor), static_cast<jint>(runtime.TensorByteSize(tensor))};
  int rank = runtime.TensorNumDims(tensor);
  if (rank > kMaxRank) rank = kMaxRank;
  for (int i = 0; i < rank; ++i) layout[kHead + i] = runtime.TensorDim(tensor, i);
  return int_array(env, layout, kHead + (rank > 0 ? rank : 0));
}

jstring tensor_name(JNIEnv* env, jclass, jlong handle, jboolean input, jint index) {
  const TfLiteTensor* tensor = tensor_of(env, handle, input, index);
  return tensor != nullptr ? to_java(env, engine_of(handle)->runtime().TensorName(tensor)) : nullptr;
}

jfloatArray tensor_quantization(JNIEnv* env, jclass, jlong handle, jboolean input, jint index) {
  const TfLiteTensor* tensor = tensor_of(env, handle, input, index);
  if (tensor == nullptr) return nullptr;
  const Quantization found = engine_of(handle)->runtime().TensorQuantizationParams(tensor);
  const jfloat values[] = {found.scale, static_cast<jfloat>(found.zero_point)};
  jfloatArray array = env->NewFloatArray(2);
  if (array != nullptr) env->SetFloatArrayRegion(array, 0, 2, values);
  return array;
}

void write_input(JNIEnv* env, jclass, jlong handle, jint index, jobject data) {
  const void* from = env->GetDirectBufferAddress(data);
  const auto size = static_cast<size_t>(env->GetDirectBufferCapacity(data));
  if (from == nullptr || !engine_of(handle)->write(index, from, size)) throw_failure(env, "tensor", "an input");
}

void read_output(JNIEnv* env, jclass, jlong handle, jint index, jobject data) {
  void* to = env->GetDirectBufferAddress(data);
  const auto size = static_cast<size_t>(env->GetDirectBufferCapacity(data));
  if (to == nullptr || !engine_of(handle)->read(index, to, size)) throw_failure(env, "tensor", "an output");
}

jlong invoke(JNIEnv* env, jclass, jlong handle) {
  const int64_t nanoseconds = engine_of(handle)->invoke();
  if (nanoseconds < 0) throw_failure(env, "run", engine_of(handle)->last_message());
  return nanoseconds;
}

// Runs an engine for the clock, and tells a Java listener of the times between runs; the listener can end it.
class Measured final : public Subject {
 public:
  Measured(JNIEnv* env, Engine* engine, jobject listener) : env_(env), engine_(engine), listener_(listener) {}

  bool run() override {
    if (ended_) return false;
    failed_ = !engine_->run();
    return !failed_;
  }

  void batch(const std::vector<int64_t>& nanoseconds) override {
    static_assert(sizeof(jlong) == sizeof(int64_t), "a jlong has 64 bits");
    const auto count = static_cast<jsize>(nanoseconds.size());
    jlongArray times = env_->NewLongArray(count);
    if (times != nullptr) {
      env_->SetLongArrayRegion(times, 0, count, reinterpret_cast<const jlong*>(nanoseconds.data()));
      ended_ = env_->CallBooleanMethod(listener_, g_on_runs, times) != JNI_TRUE;
      if (!env_->ExceptionCheck()) env_->DeleteLocalRef(times);
    }
    ended_ = ended_ || env_->ExceptionCheck();
  }

  bool failed() const { return failed_; }

 private:
  JNIEnv* env_;
  Engine* engine_;
  jobject listener_;
  bool ended_ = false, failed_ = false;
};

// function(), or false with an OutOfMemoryError on its way: nothing may be thrown into the virtual machine.
template <typename Function>
bool within_memory(JNIEnv* env, Function function) {
  try {
    return function();
  } catch (...) {
    throw_out_of_memory(env);
    return false;
  }
}

jintArray warm_up_engine(JNIEnv* env, jclass, jlong handle, jint least_runs) {
  Measured subject(env, engine_of(handle), nullptr);
  Warmup warmup;
  if (!within_memory(env, [&] { return warm_up(subject, least_runs, &warmup); })) {
    if (!env->ExceptionCheck()) throw_failure(env, "run", engine_of(handle)->last_message());
    return nullptr;
  }
  const jint result[] = {warmup.runs, warmup.steady ? 1 : 0};
  return int_array(env, result, 2);
}

void measure_engine(JNIEnv* env, jclass, jlong handle, jint runs, jdouble least, jdouble most, jobject listener) {
  Measured subject(env, engine_of(handle), listener);
  within_memory(env, [&] { return measure(subject, {runs, least, most}); });
  if (subject.failed() && !env->ExceptionCheck()) throw_failure(env, "run", engine_of(handle)->last_message());
}

template <typename Function>
JNINativeMethod method(const char* name, const char* signature, Function* function) {
  return {const_cast<char*>(name), const_cast<char*>(signature), reinterpret_cast<void*>(function)};
}

bool bind(JNIEnv* env) {
  jclass local = env->FindClass(kClass);
  if (local == nullptr) return false;
  g_class = static_cast<jclass>(env->NewGlobalRef(local));
  if (g_class == nullptr) return false;
  g_failure =
      env->GetStaticMethodID(g_class, "failure", "(Ljava/lang/String;Ljava/lang/String;)Lorg/repbnn/RepBnnException;");
  if (g_failure == nullptr) return false;
  jclass listener = env->FindClass("org/repbnn/NativeLibrary$RunListener");
  if (listener == nullptr) return false;
  g_on_runs = env->GetMethodID(listener, "onRuns", "([J)Z");
  if (g_on_runs == nullptr) return false;
  const JNINativeMethod methods[] = {
      method("openRuntime", "(Ljava/lang/String;)Ljava/lang/String;", open_runtime_library),
      method("runtimeVersion", "()Ljava/lang/String;", runtime_version),
      method("createDelegate", "([Ljava/lang/String;[Ljava/lang/String;)J", create_delegate),
      method("deleteDelegate", "(J)V", delete_delegate),
      method("createEngine", "(Ljava/nio/ByteBuffer;IJ)J", create_engine),
      method("deleteEngine", "(J)V", delete_engine),
      method("tensorCounts", "(J)[I", tensor_counts),
      method("tensorLayout", "(JZI)[I", tensor_layout),
      method("tensorName", "(JZI)Ljava/lang/String;", tensor_name),
      method("tensorQuantization", "(JZI)[F", tensor_quantization),
      method("writeInput", "(JILjava/nio/ByteBuffer;)V", write_input),
      method("readOutput", "(JILjava/nio/ByteBuffer;)V", read_output),
      method("invoke", "(J)J", invoke),
      method("warmUp", "(JI)[I", warm_up_engine),
      method("measure", "(JIDDLorg/repbnn/NativeLibrary$RunListener;)V", measure_engine),
  };
  return env->RegisterNatives(g_class, methods, sizeof methods / sizeof methods[0]) == JNI_OK;
}

}  // namespace
}  // namespace repbnn

extern "C" __attribute__((visibility("default"))) jint JNI_OnLoad(JavaVM* machine, void*) {
  JNIEnv* env = nullptr;
  if (machine->GetEnv(reinterpret_cast<void**>(&env), JNI_VERSION_1_6) != JNI_OK) return JNI_ERR;
  return repbnn::bind(env) ? JNI_VERSION_1_6 : JNI_ERR;
}
