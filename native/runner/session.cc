#include "runner/session.h"

#include <cmath>
#include <cstring>

#include "base/text.h"

namespace repbnn {
namespace {

constexpr int kBadInput = 3, kUnsupported = 4;

// What a delegate said last while it was made.
std::string said;
void keep_message(const char* message) { said = message; }

// The value behind "key": in our own delegate's explanation, up to the next comma.
std::string field(const std::string& text, const char* key) {
  const std::string name = std::string("\"") + key + "\": ";
  const size_t at = text.find(name);
  if (at == std::string::npos) return "null";
  const size_t start = at + name.size();
  return text.substr(start, text.find_first_of(",}\n", start) - start);
}

// Numbers close to a normal distribution, the same on every machine: sums of twelve uniform ones.
class Noise {
 public:
  float normal() {
    int64_t sum = 0;
    for (int i = 0; i < 12; ++i) sum += next() >> 8 & 0xffff;
    return static_cast<float>(sum - 6 * 0xffff) / 65536.0f;
  }
  char byte() { return static_cast<char>(next() >> 16); }

 private:
  uint32_t next() {
    return static_cast<uint32_t>((state_ = state_ * 6364136223846793005u + 1442695040888963407u) >> 32);
  }
  uint64_t state_ = 1;
};

}  // namespace

std::unique_ptr<Session> Session::open(const RunnerOptions& options, TelemetryProfiler* profiler, Failure* failure) {
  std::unique_ptr<Session> session(new Session);
  const auto fail = [failure](int code, const std::string& what, const std::string& why, const char* remedy) {
    *failure = {code, what, why, remedy};
    return nullptr;
  };
  std::string why = open_tflite(options.runtime_library, &session->api_);
  if (!why.empty()) return fail(kUnsupported, options.runtime_library, why, "give another --runtime-library");
  why = read_file(options.model, &session->model_bytes_);
  if (!why.empty()) return fail(kBadInput, options.model, why, "check --model");
  const TfLiteApi& api = session->api_;
  session->model_ = api.model_create(session->model_bytes_.data(), session->model_bytes_.size());
  if (session->model_ == nullptr) return fail(kBadInput, options.model, "it is no TFLite file", "check --model");
  why = options.delegate.empty() ? "" : session->create_delegate(options);
  if (!why.empty()) return fail(kUnsupported, options.delegate, why, "correct --delegate or --delegate-option");

  TfLiteInterpreterOptions* settings = api.options_create();
  api.options_set_num_threads(settings, options.num_threads);
  if (session->delegate_ != nullptr) api.options_add_delegate(settings, session->delegate_);
  if (profiler != nullptr && session->has_profiler()) api.options_set_telemetry_profiler(settings, profiler);
  session->interpreter_ = api.interpreter_create(session->model_, settings);
  api.options_delete(settings);
  if (session->interpreter_ == nullptr || api.allocate_tensors(session->interpreter_) != 0) {
    fail(kUnsupported, options.model, std::string("TFLite ") + api.version() + " cannot run it",
         "see its message on stderr");
    if (session->explains_) failure->delegate = session->delegate_facts();
    return nullptr;
  }
  return session;
}

Session::~Session() {
  if (interpreter_ != nullptr) api_.interpreter_delete(interpreter_);
  if (model_ != nullptr) api_.model_delete(model_);
  if (delegate_ != nullptr) delegate_api_.destroy(delegate_);
}

std::string Session::create_delegate(const RunnerOptions& options) {
  std::string why = open_delegate(options.delegate, &delegate_api_);
  if (!why.empty()) return why;
  // Ours says what it took when it is asked, and takes its threads as an option; others may know none of these.
  const std::string threads = format("%d", options.num_threads);
  std::vector<std::pair<std::string, std::string>> pairs = {
      {"num_threads", threads}, {"log_level", "error"}, {"explain", explanation_.path()}};
  if (!options.steps.empty()) pairs.emplace_back("profiling", options.steps);
  const size_t own = pairs.size();
  pairs.insert(pairs.end(), options.delegate_options.begin(), options.delegate_options.end());
  for (size_t skipped : {size_t{0}, own}) {
    std::vector<const char*> keys, values;
    for (size_t i = skipped; i < pairs.size(); ++i) {
      keys.push_back(pairs[i].first.c_str());
      values.push_back(pairs[i].second.c_str());
    }
    said.clear();
    delegate_ = delegate_api_.create(keys.data(), values.data(), keys.size(), keep_message);
    explains_ = skipped == 0;
    if (delegate_ != nullptr) return "";
    why = said;
  }
  return why.empty() ? "it was not created, and did not say why" : why;
}

std::string Session::delegate_facts() const {
  const std::string text = explains_ ? explanation_.text() : "";
  if (text.find("repbnn.explain/1") == std::string::npos) return "null";
  const std::string left = "\"claimed\": false, ";
  int total = 0, left_alone = 0;
  std::string refused;
  for (size_t at = text.find("\n  {"); at != std::string::npos; at = text.find("\n  {", at + 1)) {  // a node a line
    ++total;
    std::string node = text.substr(at + 3, text.find('\n', at + 1) - at - 3);
    if (node.back() == ',') node.pop_back();
    const size_t word = node.find(left);
    if (word == std::string::npos) continue;
    refused += (left_alone++ > 0 ? ", " : "") + node.erase(word, left.size());
  }
  return "{\"version\": " + field(text, "version") + ", \"implementation\": " + field(text, "implementation") +
         format(", \"nodes_total\": %d, \"nodes_delegated\": %d, \"partitions\": ", total, total - left_alone) +
         field(text, "partitions") + ", \"refused\": [" + refused + "]}";
}

size_t Session::input_bytes() const {
  size_t bytes = 0;
  for (int i = 0; i < api_.input_count(interpreter_); ++i) bytes += api_.tensor_bytes(api_.input(interpreter_, i));
  return bytes;
}

bool Session::fill(const std::vector<char>& bytes) {
  if (bytes.size() != input_bytes()) return false;
  const char* from = bytes.data();
  for (int i = 0; i < api_.input_count(interpreter_); ++i) {
    TfLiteTensor* tensor = api_.input(interpreter_, i);
    const size_t size = api_.tensor_bytes(tensor);
    std::memcpy(api_.tensor_data(tensor), from, size);
    from += size;
  }
  return true;
}

void Session::fill_with_noise() {
  Noise noise;
  for (int i = 0; i < api_.input_count(interpreter_); ++i) {
    TfLiteTensor* tensor = api_.input(interpreter_, i);
    const size_t size = api_.tensor_bytes(tensor);
    void* data = api_.tensor_data(tensor);
    const int type = api_.tensor_type(tensor);
    if (type == kTensorFloat32) {
      float* values = static_cast<float*>(data);
      for (size_t k = 0; k < size / sizeof(float); ++k) values[k] = noise.normal();
    } else if (type == kTensorInt8 || type == kTensorUint8) {
      for (size_t k = 0; k < size; ++k) static_cast<char*>(data)[k] = noise.byte();
    } else {
      std::memset(data, 0, size);  // indices, for one: zero is always among them
    }
  }
}

std::vector<char> Session::outputs() const {
  std::vector<char> bytes;
  for (int i = 0; i < api_.output_count(interpreter_); ++i) {
    const TfLiteTensor* tensor = api_.output(interpreter_, i);
    const char* data = static_cast<const char*>(api_.tensor_data(tensor));
    bytes.insert(bytes.end(), data, data + api_.tensor_bytes(tensor));
  }
  return bytes;
}

bool Session::outputs_finite() const {
  for (int i = 0; i < api_.output_count(interpreter_); ++i) {
    const TfLiteTensor* tensor = api_.output(interpreter_, i);
    if (api_.tensor_type(tensor) != kTensorFloat32) continue;
    const float* values = static_cast<const float*>(api_.tensor_data(tensor));
    for (size_t k = 0; k < api_.tensor_bytes(tensor) / sizeof(float); ++k) {
      if (!std::isfinite(values[k])) return false;
    }
  }
  return true;
}

}  // namespace repbnn
