// SPDX-License-Identifier: BSD-3-Clause
#include "prior.h"

#include <algorithm>
#include <cstring>

#include "requantise.h"

namespace colorvid {

std::vector<Step> context_steps(int count, int block, int planes) {
    const int size = block * block, lowest = block / 2 * (block / 2 + 1) / 2;
    const Places all = in_order(planes * size);
    Places low, high;
    for (int c : all) (c % size < lowest ? low : high).push_back(c);
    switch (count) {
        case 1: return {{"all", all, -1, -1}};
        case 2: return {{"first", all, 0, -1}, {"second", all, 1, -1}};
        case 5:
            return {{"low_first", low, 0, 0},
                    {"low_second", low, 0, 1},
                    {"low_third", low, 1, -1},
                    {"high_first", high, 0, -1},
                    {"high_second", high, 1, -1}};
        default: throw WrongModel("context_steps must be 1, 2 or 5");
    }
}

Head::Head(const Tensors& tensors, const std::string& name, int width, const Step& step, int limit)
    : parity_(step.parity) {
    const int channels = static_cast<int>(step.channels.size());
    const Filters filters(tensors, name, {channels, width, 1, 1}, kFeatureLimit);
    for (int j = 0; j < channels; ++j) {
        part_[parity_ < 0 ? 0 : step.channels[j] % 2].channels.push_back(j);
    }
    for (Part& part : part_) {
        if (part.channels.empty()) continue;
        part.dense = Dense(filters, in_order(width), part.channels, limit);
    }
}

// A head gives the channels of a position together; symbols are coded channel by channel.
template <class T, class Put>
void Head::run(Work& work, const Map& features, int y, Span span, int16_t* room, T* planes,
               Put put) const {
    const int columns = features.columns, by = parity_ < 0 ? 1 : 2;
    const ptrdiff_t area = static_cast<ptrdiff_t>(features.rows) * columns;
    for (int odd = 0; odd < 2; ++odd) {
        const Part& part = part_[odd];
        if (part.channels.empty()) continue;
        // Spans begin at even columns.
        const int first = span.first + (parity_ < 0 ? 0 : (odd + y + parity_) % 2);
        const int count = (span.first + span.count - first + by - 1) / by;
        const int channels = static_cast<int>(part.channels.size());
        part.dense.run(work, features.row(y) + first * features.stride(), by * features.stride(),
                       room, roomy(channels), count);
        T* row = planes + static_cast<ptrdiff_t>(y) * columns + first;
        for (int x = 0; x < count; ++x) {
            const int16_t* said = room + static_cast<ptrdiff_t>(x) * roomy(channels);
            for (int j = 0; j < channels; ++j) row[part.channels[j] * area + x * by] = put(said[j]);
        }
    }
}

Prior::Prior(const Tensors& tensors, const std::string& name, const PriorSizes& sizes,
             std::vector<Step> steps)
    : sizes_(sizes), steps_(std::move(steps)) {
    const int width = sizes.width, middle = width / 2;
    up1_ = UpDense(tensors, name + ".hyper_synthesis.up1", sizes.hyper, middle, kHyperLimit);
    middle_ = ResidualBlock(tensors, name + ".hyper_synthesis.middle.0", middle, 3);
    up2_ = UpDense(tensors, name + ".hyper_synthesis.up2", middle, width);
    quality_ = QualityTable(tensors, name + ".quality", width);
    if (sizes.conditions) {
        condition_ = Dense(tensors, name + ".condition", sizes.conditions, width);
    }
    trunk_ = BlockRow(tensors, name + ".trunk", 2, width, sizes.side);
    for (const Step& step : steps_) {
        index_heads_.emplace_back(tensors, name + ".index_heads." + step.name, width, step,
                                  kFeatureLimit);
        if (sizes.predict_mean) {
            mean_heads_.emplace_back(tensors, name + ".mean_heads." + step.name, width, step,
                                     kMeanLimit);
        }
        if (&step == &steps_[0]) continue;
        context_.emplace_back(tensors, name + ".context." + step.name, sizes.latents, width);
        refine_.emplace_back(tensors, name + ".refine." + step.name, 1, width, sizes.side);
    }
}

Map Prior::begin(Work& work, const Map& hyper, const uint8_t* flags, int rows, int columns,
                 int quality) const {
    Map features = take_map(work, rows, columns, sizes_.width);
    const Arena::Scope scope(work.arena);
    Map half = take_map(work, 2 * hyper.rows, 2 * hyper.columns, sizes_.width / 2);
    // The middle sees less than one hyper-latent around.
    const uint8_t* seen = grown(work, flags, hyper.rows, hyper.columns);
    const Active coarse = Active::of(work, seen, hyper.rows, hyper.columns, 1);
    for (int y = 0; y < hyper.rows; ++y) {
        for (const Span& span : Spans{coarse, y}) {
            up1_.run(work, hyper, y, span.first, span.count, half);
        }
    }
    middle_.run(work, half, Active::of(work, seen, half.rows, half.columns, kHyperStride / 2));
    // Rows and columns beyond the grid are dropped.
    const Active active = Active::of(work, flags, rows, columns, kHyperStride);
    const ptrdiff_t stride = features.stride();
    Map pair = take_map(work, 2, 2 * half.columns, sizes_.width);
    for (int y = 0; y < half.rows && 2 * y < rows; ++y) {
        const Map row{half.row(y), 1, half.columns, half.channels};
        for (const Span& span : Spans{active, 2 * y}) {
            up2_.run(work, row, 0, span.first / 2, (span.count + 1) / 2, pair);
            for (int i = 0; i < 2 && 2 * y + i < rows; ++i) {
                int16_t* out = features.row(2 * y + i) + span.first * stride;
                std::memcpy(out, pair.row(i) + span.first * stride,
                            span.count * stride * sizeof(int16_t));
                quality_.add(work, quality, out, span.count);
            }
        }
    }
    return features;
}

void Prior::add_condition(Work& work, const int16_t* condition, ptrdiff_t stride, int row,
                          const Active& active, Map& features) const {
    const Arena::Scope scope(work.arena);
    int16_t* said = work.arena.take<int16_t>(features.row_size());
    const int width = static_cast<int>(features.stride());
    for (const Span& span : Spans{active, row}) {
        condition_.run(work, condition + span.first * stride, stride, said, span.count);
        work.kernels.add_features(features.row(row) + span.first * width, said,
                                  span.count * width);
    }
}

// Whether a position has only zeros.
static bool is_zero(const int32_t* latents, int channels) {
    int32_t any = 0;
    for (int c = 0; c < channels; ++c) any |= latents[c];
    return any == 0;
}

void Prior::advance(Work& work, int number, const Latents& known, const float* scale,
                    const Active& active, Map& features) const {
    if (number == 0) return;
    const Arena::Scope scope(work.arena);
    const Dense& context = context_[number - 1];
    const int channels = known.channels, stride = static_cast<int>(features.stride());
    int16_t* scaled =
        work.arena.take_zeros<int16_t>(static_cast<size_t>(known.columns) * channels);
    int16_t* said = work.arena.take<int16_t>(features.row_size());
    int16_t* nothing = work.arena.take<int16_t>(stride);  // what is said of zeros: of most latents
    context.run(work, scaled, channels, nothing, 1);
    const auto add = [&](int y, Span span) {
        const int32_t* latents = known.row(y) + static_cast<ptrdiff_t>(span.first) * channels;
        int16_t* row = features.row(y);
        const int end = span.first + span.count;
        for (int x = span.first; x < end;) {
            const int first = x;  // of positions in a row that are not zero
            for (; x < end && !is_zero(latents, channels); ++x, latents += channels) {
                work.kernels.scale_latents(latents, scale, scaled + (x - first) * channels,
                                           channels);
            }
            context.run(work, scaled, channels, said, x - first);
            work.kernels.add_features(row + first * stride, said, (x - first) * stride);
            if (x == end) break;
            work.kernels.add_features(row + x * stride, nothing, stride);
            ++x;
            latents += channels;
        }
    };
    for (int y = 0; y < known.rows; ++y) {
        for (const Span& span : Spans{active, y}) add(y, span);
    }
    refine_[number - 1].run(work, features, active);
}

StepParameters Prior::parameters(Work& work, int number, const Map& features,
                                 const Active& active) const {
    const Step& step = steps_[number];
    const size_t channels = step.channels.size();
    const size_t area = static_cast<size_t>(features.rows) * features.columns;
    StepParameters result{work.arena.take_zeros<uint8_t>(channels * area), nullptr};
    if (sizes_.predict_mean) result.mean = work.arena.take<int16_t>(channels * area);
    const Arena::Scope scope(work.arena);
    int16_t* room = work.arena.take<int16_t>(features.columns * roomy(int(channels)));
    for (int y = 0; y < features.rows; ++y) {
        if (!step.has_row(y)) continue;
        for (const Span& span : Spans{active, y}) {
            index_heads_[number].run(work, features, y, span, room, result.index, [](int16_t value) {
                return static_cast<uint8_t>(std::clamp<int>(value, 0, kScales - 1));
            });
            if (!result.mean) continue;
            mean_heads_[number].run(work, features, y, span, room, result.mean,
                                    [](int16_t value) { return value; });
        }
    }
    return result;
}

HyperAnalysis::HyperAnalysis(const Tensors& tensors, const std::string& name, int latents,
                             int width, int hyper)
    : width_(width),
      hyper_(hyper),
      enter_(tensors, name + ".enter", latents, width),
      down1_(Filters(tensors, name + ".down1", {width, 4 * width, 1, 1}, kFeatureLimit),
             of_quarters(width), in_order(width), kFeatureLimit),
      down2_(Filters(tensors, name + ".down2", {hyper, 4 * width, 1, 1}, kFeatureLimit),
             of_quarters(width), in_order(hyper), kFeatureLimit),
      middle_(tensors, name + ".middle.0", width, 3) {}

Map HyperAnalysis::run(Work& work, const Map& scaled, const uint8_t* flags) const {
    const int rows = (scaled.rows + kHyperStride - 1) / kHyperStride;
    const int columns = (scaled.columns + kHyperStride - 1) / kHyperStride;
    Map result = take_map(work, rows, columns, hyper_);
    const Arena::Scope scope(work.arena);
    // The last row and column repeat up to a whole position of the hyper-latents.
    Map entered = take_map(work, rows * kHyperStride, columns * kHyperStride, width_);
    const ptrdiff_t stride = entered.stride();
    const uint8_t* seen = grown(work, flags, rows, columns);
    const Active fine = Active::of(work, seen, entered.rows, entered.columns, kHyperStride);
    for (int y = 0; y < entered.rows; ++y) {
        const int16_t* source = scaled.row(std::min(y, scaled.rows - 1));
        for (const Span& span : Spans{fine, y}) {
            int16_t* row = entered.row(y) + span.first * stride;
            const int there = std::min(span.count, scaled.columns - span.first);
            enter_.run(work, source + span.first * scaled.stride(), scaled.stride(), row, there);
            for (int x = there; x < span.count; ++x) {
                std::memcpy(row + x * stride, row + (there - 1) * stride, stride * sizeof(int16_t));
            }
            work.kernels.leaky(row, static_cast<int>(span.count * stride));
        }
    }
    Map half = take_map(work, entered.rows / 2, entered.columns / 2, width_);
    const Active middle = Active::of(work, seen, half.rows, half.columns, kHyperStride / 2);
    int16_t* four = work.arena.take<int16_t>(2 * entered.row_size());
    for (int y = 0; y < half.rows; ++y) {
        for (const Span& span : Spans{middle, y}) {
            unshuffle_row(entered, y, span.first, span.count, four);
            down1_.run(work, four, 4 * stride, half.row(y) + span.first * stride, span.count);
        }
    }
    middle_.run(work, half, middle);
    const Active wanted = Active::of(work, flags, rows, columns, 1);
    for (int y = 0; y < rows; ++y) {
        for (const Span& span : Spans{wanted, y}) {
            unshuffle_row(half, y, span.first, span.count, four);
            int16_t* row = result.row(y) + span.first * result.stride();
            down2_.run(work, four, 4 * stride, row, span.count);
            for (ptrdiff_t i = 0; i < span.count * result.stride(); ++i) {
                row[i] = static_cast<int16_t>(
                    std::clamp(round_shift(row[i], 8), -kHyperLimit, kHyperLimit));
            }
        }
    }
    return result;
}

}  // namespace colorvid
