// The tensors of a model file by name, as the networks take them: checked before they are used.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace colorvid {

// What is wrong with a model, in one line.
struct WrongModel : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A sum of integers that may reach `largest`, where only `allowed` is exact; throws WrongModel.
[[noreturn]] inline void refuse_sum(const std::string& layer, double largest, double allowed) {
    char text[96];
    std::snprintf(text, sizeof text, ": sums can reach %.0f; at most %.0f is exact", largest,
                  allowed);
    throw WrongModel("layer " + layer + text);
}

enum class Type : int { int8 = 0, int16 = 1, int32 = 2, float32 = 3 };
constexpr size_t kTypeBytes[] = {1, 2, 4, 4};

using Shape = std::vector<int64_t>;

struct Tensor {
    Type type;
    Shape shape;
    std::vector<unsigned char> bytes;

    template <class T>
    const T* data() const {
        return reinterpret_cast<const T*>(bytes.data());
    }
    size_t count() const { return bytes.size() / kTypeBytes[static_cast<int>(type)]; }
};

class Tensors {
public:
    // Keeps a copy of what the caller holds.
    void add(const std::string& name, Tensor tensor) { tensors_[name] = std::move(tensor); }
    void clear() { tensors_.clear(); }

    // A tensor of this type and shape; throws WrongModel.
    const Tensor& get(const std::string& name, Type type, const Shape& shape) const {
        const Tensor& tensor = find(name);
        if (tensor.type != type || tensor.shape != shape) {
            throw WrongModel(name + " has another type or shape than its network needs");
        }
        return tensor;
    }
    const Tensor& find(const std::string& name) const {
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) throw WrongModel("missing are ['" + name + "']");
        used_.insert(name);
        return found->second;
    }
    // Throws WrongModel if there are tensors that nobody has asked for.
    void check_all_used() const {
        for (const auto& entry : tensors_) {
            if (!used_.count(entry.first)) throw WrongModel("not expected ['" + entry.first + "']");
        }
    }

private:
    std::map<std::string, Tensor> tensors_;
    mutable std::set<std::string> used_;
};

}  // namespace colorvid
