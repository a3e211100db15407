// SPDX-License-Identifier: BSD-3-Clause
#include "layers.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace colorvid {

static Shape flat(int count) { return {count}; }

Filters::Filters(const Tensors& tensors, const std::string& name, Shape shape, int source_limit)
    : outputs(static_cast<int>(shape[0])),
      inputs(static_cast<int>(shape[1])),
      taps(static_cast<int>(shape[2] * shape[3])) {
    const bool wide = tensors.find(name + ".weight_int").type == Type::int16;
    const Tensor& weight =
        tensors.get(name + ".weight_int", wide ? Type::int16 : Type::int8, shape);
    if (wide) weights.assign(weight.data<int16_t>(), weight.data<int16_t>() + weight.count());
    else weights.assign(weight.data<int8_t>(), weight.data<int8_t>() + weight.count());
    const int32_t* b = tensors.get(name + ".bias_int", Type::int32, flat(outputs)).data<int32_t>();
    const float* f = tensors.get(name + ".factor", Type::float32, flat(outputs)).data<float>();
    bias.assign(b, b + outputs);
    factor.assign(f, f + outputs);
    const int64_t allowed = wide ? (int64_t{1} << 31) - 1 : (int64_t{1} << 24) - 1;
    const int64_t terms = static_cast<int64_t>(inputs) * taps;
    for (int output = 0; output < outputs; ++output) {
        int64_t sum = 0;
        for (int64_t i = 0; i < terms; ++i) sum += std::abs(int{weights[output * terms + i]});
        const int64_t largest = sum * source_limit + std::abs(int64_t{bias[output]});
        if (largest > allowed) refuse_sum(name, double(largest), double(allowed));
        if (!std::isfinite(factor[output])) {
            throw WrongModel("layer " + name + ": a factor is not finite; export the model again");
        }
    }
}

Places in_order(int count) {
    Places places(count);
    std::iota(places.begin(), places.end(), 0);
    return places;
}

Places of_quarters(int channels) {
    Places places(4 * channels);
    for (int i = 0; i < 4 * channels; ++i) places[i] = i % 4 * roomy(channels) + i / 4;
    return places;
}

Dense::Dense(const Filters& filters, const Places& places, const Places& outputs, int limit)
    : limit_(limit), products_(static_cast<double>(places.size()) * outputs.size()) {
    pairs_ = *std::max_element(places.begin(), places.end()) / 2 + 1;
    groups_ = roomy(static_cast<int>(outputs.size())) / kGroup;
    const size_t room = static_cast<size_t>(groups_) * kGroup;
    weights_ = Aligned<int16_t>(room * pairs_ * 2);
    bias_ = Aligned<int32_t>(room);
    factor_ = Aligned<float>(room);
    for (size_t o = 0; o < outputs.size(); ++o) {
        const size_t group = o / kGroup, lane = o % kGroup;
        bias_[o] = filters.bias[outputs[o]];
        factor_[o] = filters.factor[outputs[o]];
        for (size_t i = 0; i < places.size(); ++i) {
            const size_t pair = places[i] / 2, half = places[i] % 2;
            weights_[((group * pairs_ + pair) * kGroup + lane) * 2 + half] =
                filters.weight(outputs[o], static_cast<int>(i));
        }
    }
}

Dense::Dense(const Tensors& tensors, const std::string& name, int inputs, int outputs,
             int source_limit, int limit)
    : Dense(Filters(tensors, name, {outputs, inputs, 1, 1}, source_limit), in_order(inputs),
            in_order(outputs), limit) {}

DepthwiseFilters::DepthwiseFilters(const Tensors& tensors, const std::string& name, int channels, int side)
    : side_(side), channels_(roomy(channels)), products_(double(channels) * side * side) {
    const Filters filters(tensors, name, {channels, 1, side, side}, kFeatureLimit);
    const int taps = side * side;
    weights_ = Aligned<int16_t>(static_cast<size_t>((taps + 1) / 2) * channels_ * 2);
    bias_ = Aligned<int32_t>(channels_);
    factor_ = Aligned<float>(channels_);
    for (int c = 0; c < channels; ++c) {
        bias_[c] = filters.bias[c];
        factor_[c] = filters.factor[c];
        for (int tap = 0; tap < taps; ++tap) {
            const size_t place = static_cast<size_t>(tap / 2) * channels_ + c;
            weights_[2 * place + tap % 2] = filters.weights[static_cast<size_t>(c) * taps + tap];
        }
    }
}

Ring::Ring(Work& work, int side, const Map& like)
    : side_(side),
      reach_(side / 2),
      stride_(like.stride()),
      length_((like.columns + 2 * reach_) * like.stride()),
      data_(work.arena.take<int16_t>(static_cast<size_t>(side + 1) * length_)) {
    const size_t border = reach_ * stride_ * sizeof(int16_t);
    for (int place = 0; place < side_; ++place) {
        std::memset(start(place), 0, border);
        std::memset(start(place + 1) - reach_ * stride_, 0, border);
    }
    std::memset(start(side_), 0, length_ * sizeof(int16_t));
}

QualityTable::QualityTable(const Tensors& tensors, const std::string& name, int channels)
    : table_(static_cast<size_t>(kQualities) * roomy(channels)), stride_(roomy(channels)) {
    const Tensor& table = tensors.get(name + ".table", Type::int16, {kQualities, channels});
    for (int quality = 0; quality < kQualities; ++quality) {
        for (int c = 0; c < channels; ++c) {
            const int value = table.data<int16_t>()[quality * channels + c];
            if (std::abs(value) > kFeatureLimit) {
                throw WrongModel(name + ": a feature is beyond +-2047");
            }
            table_[static_cast<size_t>(quality) * stride_ + c] = static_cast<int16_t>(value);
        }
    }
}

void QualityTable::add(Work& work, int quality, int16_t* row, int count) const {
    const int16_t* features = table_.data() + static_cast<ptrdiff_t>(quality) * stride_;
    for (int x = 0; x < count; ++x) {
        work.kernels.add_features(row + static_cast<ptrdiff_t>(x) * stride_, features, stride_);
    }
}

void unshuffle_row(const Map& map, int row, int first, int count, int16_t* out) {
    const ptrdiff_t two = 2 * map.stride();
    const int16_t* upper = map.row(2 * row) + first * two;
    const int16_t* lower = map.row(2 * row + 1) + first * two;
    for (int x = 0; x < count; ++x, upper += two, lower += two, out += 2 * two) {
        std::memcpy(out, upper, two * sizeof(int16_t));
        std::memcpy(out + two, lower, two * sizeof(int16_t));
    }
}

UpDense::UpDense(const Tensors& tensors, const std::string& name, int inputs, int outputs,
                 int source_limit) {
    const Filters filters(tensors, name, {4 * outputs, inputs, 1, 1}, source_limit);
    for (int quarter = 0; quarter < 4; ++quarter) {
        Places chosen(outputs);
        for (int o = 0; o < outputs; ++o) chosen[o] = 4 * o + quarter;
        quarters_[quarter] = Dense(filters, in_order(inputs), chosen, kFeatureLimit);
    }
}

void UpDense::run(Work& work, const Map& in, int row, int first, int count, Map& out) const {
    const ptrdiff_t stride = out.stride();
    const int16_t* source = in.row(row) + static_cast<ptrdiff_t>(first) * in.stride();
    for (int quarter = 0; quarter < 4; ++quarter) {
        int16_t* target = out.row(2 * row + quarter / 2) + (2 * first + quarter % 2) * stride;
        quarters_[quarter].run(work, source, in.stride(), target, 2 * stride, count);
    }
}

}  // namespace colorvid
