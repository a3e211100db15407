// Layers of the networks: what the model file has, proved to stay within its sums, and packed for
// the kernels. A feature map is (rows, columns, channels), the channels of a position together.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "arena.h"
#include "kernels.h"
#include "requantise.h"
#include "tensors.h"

namespace colorvid {

constexpr int kMeanLimit = 8191;
constexpr int kHyperLimit = 127;
constexpr int kQualities = 64;

// Channels with the room that the kernels want.
constexpr int roomy(int channels) { return (channels + kGroup - 1) / kGroup * kGroup; }

// Where time goes; `colorvid bench` shows it.
enum class Stage : int {
    other, analysis, prior, entropy, transform, synthesis, prediction, filter, count
};
constexpr int kStages = static_cast<int>(Stage::count);

// What every step of the work needs: kernels, memory, and the count of what was done.
struct Work {
    explicit Work(int level) : kernels(colorvid::kernels(level)) {}

    const Kernels& kernels;
    Arena arena;
    double macs[kStages] = {};
    double seconds[kStages] = {};

    void count(double products) { macs[static_cast<int>(stage_)] += products; }

    // Time from its start to its end belongs to a stage, but for that of stages inside of it.
    class In {
    public:
        In(Work& work, Stage stage) : work_(work), before_(work.stage_) { work.enter(stage); }
        ~In() { work_.enter(before_); }
        In(const In&) = delete;
        In& operator=(const In&) = delete;

    private:
        Work& work_;
        Stage before_;
    };
    // To be called where work on a frame begins; the counts are of this frame alone.
    void start() {
        std::fill(macs, macs + kStages, 0.0);
        std::fill(seconds, seconds + kStages, 0.0);
        since_ = Clock::now();
    }

private:
    using Clock = std::chrono::steady_clock;

    void enter(Stage stage) {
        const Clock::time_point now = Clock::now();
        seconds[static_cast<int>(stage_)] += std::chrono::duration<double>(now - since_).count();
        stage_ = stage;
        since_ = now;
    }

    Stage stage_ = Stage::other;
    Clock::time_point since_ = Clock::now();
};

// Features in the arena; `stride` elements to a position, of which `channels` mean something.
struct Map {
    int16_t* data;
    int rows, columns, channels;

    ptrdiff_t stride() const { return roomy(channels); }
    ptrdiff_t row_size() const { return columns * stride(); }
    int16_t* row(int y) const { return data + y * row_size(); }
};

inline Map take_map(Work& work, int rows, int columns, int channels) {
    const size_t size = static_cast<size_t>(rows) * columns * roomy(channels);
    return {work.arena.take<int16_t>(size), rows, columns, channels};
}

// A convolution as the file has it: weights (outputs, inputs, side, side) as integers.
struct Filters {
    // Throws WrongModel unless a partial sum of products of weights and values within
    // `source_limit` stays below 2^24 where weights have 8 bits, as those of the decoder, and below
    // 2^31 where they have 16, as those of the encoder.
    Filters(const Tensors& tensors, const std::string& name, Shape shape, int source_limit);

    int outputs, inputs, taps;
    std::vector<int16_t> weights;  // (outputs, inputs, taps)
    std::vector<int32_t> bias;     // (outputs)
    std::vector<float> factor;     // (outputs)

    int16_t weight(int output, int input) const {
        return weights[static_cast<size_t>(output) * inputs + input];
    }
};

using Places = std::vector<int>;

// The channels of a map: 0, 1, 2...
Places in_order(int count);
// Channel c * 4 + q of an unshuffled map, whose four positions lie behind each other.
Places of_quarters(int channels);

// A 1x1 convolution.
class Dense {
public:
    Dense() = default;
    // The filters of `outputs`, in this order; input i stands at `places[i]` of a position.
    Dense(const Filters& filters, const Places& places, const Places& outputs, int limit);
    // All filters, inputs in order.
    Dense(const Tensors& tensors, const std::string& name, int inputs, int outputs,
          int source_limit = kFeatureLimit, int limit = kFeatureLimit);

    // `count` positions; those of the output lie `out_stride` apart.
    void run(Work& work, const int16_t* in, ptrdiff_t in_stride, int16_t* out,
             ptrdiff_t out_stride, int count) const {
        const PointwiseLayer layer{weights_.data(), bias_.data(), factor_.data(),
                                   pairs_,          groups_,      limit_};
        work.kernels.pointwise(layer, in, in_stride, out, out_stride, count);
        work.count(products_ * count);
    }
    // A row of positions of a map to one of another.
    void run(Work& work, const int16_t* in, ptrdiff_t in_stride, int16_t* out, int count) const {
        run(work, in, in_stride, out, groups_ * kGroup, count);
    }

private:
    Aligned<int16_t> weights_;
    Aligned<int32_t> bias_;
    Aligned<float> factor_;
    int pairs_ = 0, groups_ = 0, limit_ = 0;
    double products_ = 0;  // of a position
};

// A depthwise convolution with zeros around its map.
class DepthwiseFilters {
public:
    DepthwiseFilters() = default;
    DepthwiseFilters(const Tensors& tensors, const std::string& name, int channels, int side);

    int side() const { return side_; }
    int reach() const { return side_ / 2; }

    // One row of `count` positions from the rows around it; see Ring.
    void run(Work& work, const int16_t* const* rows, int16_t* out, int count) const {
        const DepthwiseLayer layer{weights_.data(), bias_.data(), factor_.data(),
                                   side_,           channels_,    kFeatureLimit};
        work.kernels.depthwise(layer, rows, channels_, out, channels_, count);
        work.count(products_ * count);
    }

private:
    Aligned<int16_t> weights_;
    Aligned<int32_t> bias_;
    Aligned<float> factor_;
    int side_ = 1, channels_ = 0;
    double products_ = 0;
};

// The rows that a depthwise convolution sees, with zeros beyond the borders of the map.
class Ring {
public:
    static constexpr int kMostSide = 15;

    Ring(Work& work, int side, const Map& like);

    // Where row `y` is to be written, before it is seen; it replaces row y - side.
    int16_t* row(int y) const { return start(y % side_) + reach_ * stride_; }
    // The `side` rows around row y of `rows`.
    void around(int y, int rows, const int16_t** window) const {
        for (int i = 0; i < side_; ++i) {
            const int seen = y + i - reach_;
            window[i] = seen >= 0 && seen < rows ? start(seen % side_) : start(side_);
        }
    }

private:
    int16_t* start(int place) const { return data_ + place * length_; }

    int side_, reach_;
    ptrdiff_t stride_, length_;
    int16_t* data_;  // side + 1 rows, the last one of zeros
};

// A row of a quality table.
class QualityTable {
public:
    QualityTable() = default;
    QualityTable(const Tensors& tensors, const std::string& name, int channels);

    // Adds the features of `quality` to a row of positions.
    void add(Work& work, int quality, int16_t* row, int count) const;

private:
    Aligned<int16_t> table_;  // (64, roomy channels)
    int stride_ = 0;
};

// Position y, x of the result are those at 2y, 2x; 2y, 2x + 1; 2y + 1, 2x and 2y + 1, 2x + 1, one
// behind the other: `count` positions of a row, for a Dense with the inputs of_quarters().
void unshuffle_row(const Map& map, int row, int first, int count, int16_t* out);

// Shuffles what a convolution to four times as many channels gives: rows 2y and 2y + 1 of `out`.
class UpDense {
public:
    UpDense() = default;
    UpDense(const Tensors& tensors, const std::string& name, int inputs, int outputs,
            int source_limit = kFeatureLimit);

    void run(Work& work, const Map& in, int row, int first, int count, Map& out) const;

private:
    Dense quarters_[4];
};

}  // namespace colorvid
