// SPDX-License-Identifier: BSD-3-Clause
#include "branch.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "requantise.h"

namespace colorvid {

static const int kCosted = 32;       // magnitudes whose cost in bits the quantiser knows
static const float kLeastPrice = 1e-6f, kMostWorth = 0x1p40f;  // bits may be free
static const int kMostChannels = 1 << 12;
static const int kMostBlocks = 64;   // in a row of a network

// The error that a symbol saves over its price, less its bits: in 1/256 bit.
static int64_t worth_of(float offset, int symbol, const float* costs, float price) {
    const float magnitude = std::fabs(offset);
    const float size = static_cast<float>(std::abs(symbol)), left = magnitude - size;
    const float saved = (magnitude * magnitude - left * left) / std::max(price, kLeastPrice);
    const float bits = saved - costs[std::min(std::abs(symbol), kCosted - 1)];
    return static_cast<int64_t>(
        std::clamp(std::floor(256 * bits + 0.5f), -kMostWorth, kMostWorth));
}

// Building

static void check(const std::string& name, const BranchSizes& s) {
    const bool block = s.block == 4 || s.block == 8 || s.block == 16;
    bool fine = block && (s.planes == 1 || s.planes == 2) && s.reference_planes >= 0 &&
                s.reference_planes <= 2 && std::isfinite(s.rounding);
    for (int width : {s.prior_width, s.hyper}) fine = fine && width >= 1 && width <= kMostChannels;
    for (int width : {s.analysis_fine_width, s.analysis_coarse_width, s.synthesis_fine_width,
                      s.synthesis_coarse_width, s.prior_condition, s.synthesis_condition}) {
        fine = fine && width >= 0 && width <= kMostChannels;
    }
    for (int count : {s.analysis_blocks, s.analysis_fine, s.synthesis_blocks, s.synthesis_fine}) {
        fine = fine && count >= 0 && count <= kMostBlocks;
    }
    for (int side : {s.analysis_side, s.synthesis_side, s.prior_side}) {
        fine = fine && side >= 1 && side % 2 == 1 && side <= Ring::kMostSide;
    }
    fine = fine && s.prior_width % 2 == 0 &&
           (s.analysis_fine_width > 0) == (s.analysis_coarse_width > 0) &&
           (s.synthesis_fine_width > 0) == (s.synthesis_coarse_width > 0);
    if (!fine) throw WrongModel(name + " has sizes that this version cannot run");
}

static SymbolTables read_tables(const Tensors& tensors, const std::string& name, int count) {
    const Tensor& sizes = tensors.get(name + ".sizes", Type::int32, {count});
    const Tensor& cdf = tensors.find(name + ".cdf");
    if (cdf.shape.size() != 2 || cdf.shape[1] > 2 * kMaxSymbol + 3) {
        throw WrongModel(name + ".cdf has another shape than its network needs");
    }
    const int longest = static_cast<int>(cdf.shape[1]);
    tensors.get(name + ".cdf", Type::int32, {count, longest});
    if (!SymbolTables::fit(cdf.data<int32_t>(), sizes.data<int32_t>(), count, longest)) {
        throw WrongModel(name + ": a table does not rise from 0 to 65536");
    }
    return SymbolTables(cdf.data<int32_t>(), sizes.data<int32_t>(), count, longest);
}

Branch::Branch(const Tensors& tensors, const std::string& name, const BranchSizes& sizes,
               bool encoder)
    : sizes_(sizes) {
    check(name, sizes);
    const BranchSizes& s = sizes_;
    const int channels = latents(), stride = s.block / 2;
    transform_ = BlockTransform(tensors, name, s.block, s.planes);
    const Tensor& gains = tensors.get(name + ".gains.table", Type::int32, {kQualities, channels});
    gains_.assign(gains.data<int32_t>(), gains.data<int32_t>() + gains.count());
    const float* scale =
        tensors.get(name + ".scale.scale", Type::float32, {channels, 1, 1}).data<float>();
    scale_ = Aligned<float>(channels);
    for (int c = 0; c < channels; ++c) {
        scale_[c] = 16 * scale[c];
        if (!std::isfinite(16 * scale_[c])) throw WrongModel(name + ".scale: a factor is not finite");
    }
    hyper_tables_ = read_tables(tensors, "tables." + name + ".hyper", s.hyper);
    latent_tables_ = read_tables(tensors, "tables." + name + ".latents", kScales);
    const PathSizes path{s.synthesis_fine_width, s.synthesis_coarse_width, s.synthesis_blocks,
                         s.synthesis_fine,       s.synthesis_side,         s.attention};
    synthesises_ = path.there();
    if (synthesises_) {
        synthesis_ = Synthesis(tensors, name + ".synthesis", path, s.planes, stride,
                               s.synthesis_condition);
    }
    const PriorSizes prior{channels, s.prior_width, s.hyper,
                           s.prior_condition, s.prior_side, s.predict_mean};
    prior_ = Prior(tensors, name + ".prior", prior,
                   context_steps(s.context_steps, s.block, s.planes));
    if (!encoder) return;
    transform_.prove_analysis(name);
    if (std::count(gains_.begin(), gains_.end(), 0)) {
        throw WrongModel(name + ".gains.table: a step is 0; export the model again");
    }
    const float* worth =
        tensors.get(name + ".worth", Type::float32, {kQualities}).data<float>();
    worth_.assign(worth, worth + kQualities);
    const float* costs =
        tensors.get(name + ".costs", Type::float32, {kScales, kCosted}).data<float>();
    costs_.assign(costs, costs + kScales * kCosted);
    for (int scale = 0; scale < kScales; ++scale) {
        zero_worth_.push_back(worth_of(0, 0, &costs_[scale * kCosted], 1));
    }
    const PathSizes down{s.analysis_fine_width, s.analysis_coarse_width, s.analysis_blocks,
                         s.analysis_fine,       s.analysis_side,         s.attention};
    analyses_ = down.there();
    if (analyses_) {
        const int inputs = (s.planes + s.reference_planes) * stride * stride;
        analysis_ = Analysis(tensors, name + ".analysis", down, inputs, channels);
    }
    hyper_analysis_ = HyperAnalysis(tensors, name + ".prior.hyper_analysis", channels,
                                    s.prior_width, s.hyper);
}

// Passes: what happens where symbols arise

// The next column of the step that is coded; most are not, so eight are looked at together.
static int next_coded(const uint8_t* index, int x, int columns, int by) {
    while (x < columns && !index[x]) {
        uint64_t eight = 1;
        if (x + 8 <= columns) std::memcpy(&eight, index + x, 8);
        x += eight ? by : 8;
    }
    return x;
}

class Reading {
public:
    Reading(const Branch& branch, SymbolDecoder& decoder) : branch_(branch), decoder_(decoder) {}

    bool flags(Work& work, uint8_t* flags, int rows, int columns) {
        const Work::In in(work, Stage::entropy);
        return code_flags(flags, rows, columns, [&](const SymbolTables& tables, int row, int) {
            return decoder_.read(tables, row);
        });
    }

    void hyper(Work& work, const uint8_t* flags, Map& z) {
        const Work::In in(work, Stage::entropy);
        for (int c = 0; c < z.channels; ++c) {
            int16_t* value = z.data + c;
            for (int i = 0; i < z.rows * z.columns; ++i, value += z.stride()) {
                *value = 0;
                if (flags && !flags[i]) continue;
                const int symbol = decoder_.read(branch_.hyper_tables_, c);
                *value = static_cast<int16_t>(std::clamp(symbol, -kHyperLimit, kHyperLimit));
            }
        }
    }

    void latents(Work& work, const Step& step, const StepParameters& parameters, Latents& y) {
        if (decoder_.empty() && !parameters.mean) return;
        const Work::In in(work, Stage::entropy);
        const uint8_t* index = parameters.index;
        const int16_t* mean = parameters.mean;
        for (int c : step.channels) {
            for (int row = 0; row < y.rows; ++row, index += y.columns) {
                if (step.has_row(row)) read_row(step, c, row, index, mean, y);
                if (mean) mean += y.columns;
            }
        }
    }

private:
    void read_row(const Step& step, int c, int row, const uint8_t* index, const int16_t* mean,
                  Latents& y) {
        int32_t* out = y.row(row) + c;
        const int first = step.first_column(c, row), by = step.column_step();
        for (int x = first; x < y.columns; x += by) {
            if (!mean) {
                x = next_coded(index, x, y.columns, by);
                if (x >= y.columns) break;
            }
            int32_t value = mean ? mean[x] : 0;
            if (index[x]) value += 16 * decoder_.read(branch_.latent_tables_, index[x]);
            out[static_cast<ptrdiff_t>(x) * y.channels] = value;
        }
    }

    const Branch& branch_;
    SymbolDecoder& decoder_;
};

// Writes symbols; without an encoder it only finds which they would be.
class Writing {
public:
    Writing(const Branch& branch, SymbolEncoder* encoder, const Branch::Wanted& wanted)
        : branch_(branch), encoder_(encoder), quality_(wanted.quality), y_(wanted.y),
          wanted_(wanted) {}

    Information information;
    // What each area is worth, in 1/256 bit, where that is asked for: see worth_of().
    int64_t* worth = nullptr;

    bool flags(Work& work, uint8_t* flags, int rows, int columns) {
        const Work::In in(work, Stage::entropy);
        std::copy_n(wanted_.flags, rows * columns, flags);
        return code_flags(flags, rows, columns,
                          [&](const SymbolTables& tables, int row, int symbol) {
                              write(tables, row, symbol, information.hyper);
                              return symbol;
                          });
    }

    void hyper(Work& work, const uint8_t* flags, Map& z) {
        const Work::In in(work, Stage::entropy);
        for (int c = 0; c < z.channels; ++c) {
            const int16_t* chosen = wanted_.z.data + c;
            int16_t* value = z.data + c;
            for (int i = 0; i < z.rows * z.columns;
                 ++i, value += z.stride(), chosen += z.stride()) {
                *value = 0;
                if (flags && !flags[i]) continue;
                *value = *chosen;
                write(branch_.hyper_tables_, c, *value, information.hyper);
            }
        }
    }

    void latents(Work& work, const Step& step, const StepParameters& parameters, Latents& y) {
        const Work::In in(work, Stage::entropy);
        const uint8_t* index = parameters.index;
        const int16_t* mean = parameters.mean;
        for (int c : step.channels) {
            const float gain = static_cast<float>(branch_.gains(quality_)[c]) / 64;
            const float price = branch_.worth_[quality_] / (gain * gain);
            for (int row = 0; row < y.rows; ++row, index += y.columns) {
                if (step.has_row(row)) write_row(step, {c, row, price}, index, mean, y);
                if (mean) mean += y.columns;
            }
        }
    }

private:
    struct Place {
        int channel, row;
        float price;
    };

    void write(const SymbolTables& tables, int row, int symbol, double& bits) {
        if (!encoder_) return;
        encoder_->write(tables, row, symbol);
        bits += tables.bits(row, symbol);
    }

    void write_row(const Step& step, Place place, const uint8_t* index, const int16_t* mean,
                   Latents& y) {
        const ptrdiff_t first = static_cast<ptrdiff_t>(place.row) * y.columns * y.channels;
        const float* wanted = y_ + first + place.channel;
        int32_t* out = y.data + first + place.channel;
        const int by = step.column_step();
        for (int x = step.first_column(place.channel, place.row); x < y.columns; x += by) {
            if (!mean) {  // what is not coded is 0 already
                x = next_coded(index, x, y.columns, by);
                if (x >= y.columns) break;
            }
            const ptrdiff_t at = static_cast<ptrdiff_t>(x) * y.channels;
            const int middle = mean ? mean[x] : 0;
            int symbol = 0;
            if (index[x]) {
                const float offset = wanted[at] - static_cast<float>(middle) / 16;
                const float chosen =
                    branch_.quantise(offset, &branch_.costs_[index[x] * kCosted], place.price);
                symbol = static_cast<int>(
                    std::clamp<float>(chosen, -float{kMaxSymbol}, float{kMaxSymbol}));
                write(branch_.latent_tables_, index[x], symbol, information.latents);
                if (worth) {
                    const int across = (y.columns + kHyperStride - 1) / kHyperStride;
                    worth[place.row / kHyperStride * across + x / kHyperStride] +=
                        symbol ? worth_of(offset, symbol, &branch_.costs_[index[x] * kCosted],
                                          place.price)
                               : branch_.zero_worth_[index[x]];
                }
            }
            out[at] = 16 * symbol + middle;
        }
    }

    const Branch& branch_;
    SymbolEncoder* encoder_;
    int quality_;
    const float* y_;
    const Branch::Wanted& wanted_;
};

// Rate-distortion optimised, one by one: the rounded magnitude, the next smaller one and zero
// compete by squared error plus price of the bits.
float Branch::quantise(float offset, const float* costs, float price) const {
    const float magnitude = std::fabs(offset);
    float best = std::floor(magnitude + sizes_.rounding);
    if (best == 0) return 0;
    const auto cost = [&](float symbol) {
        const float error = magnitude - symbol;
        const int column = static_cast<int>(std::min(symbol, float{kCosted - 1}));
        return error * error + price * costs[column];
    };
    float lowest = cost(best);
    for (const float symbol : {std::max(best - 1, 0.0f), 0.0f}) {
        const float other = cost(symbol);
        if (other < lowest) {
            best = symbol;
            lowest = other;
        }
    }
    return offset < 0 ? -best : best;
}

// The work

// An area of a sparse branch is tried where a latent and the rounding reach kDoubtful; where nothing
// is tried it is coded where they reach kClear.
constexpr float kDoubtful = 1.45f, kClear = 1.8f;
// Where it is tried it is coded if that is worth more, in 1/256 bit: hyper-latents and flag take some.
constexpr int64_t kLeastWorth = 2 * 256;

// Rows and columns of the hyper-latents.
struct HyperSize {
    int rows, columns;

    int count() const { return rows * columns; }
};

static HyperSize hyper_size(const Latents& y) {
    return {(y.rows + kHyperStride - 1) / kHyperStride,
            (y.columns + kHyperStride - 1) / kHyperStride};
}

// Sets the flag of each hyper-latent position with a latent that `counts`.
template <class Counts>
static void flag(const Latents& y, Counts counts, uint8_t* flags) {
    const int across = hyper_size(y).columns;
    ptrdiff_t first = 0;
    for (int row = 0; row < y.rows; ++row) {
        for (int x = 0; x < y.columns; ++x, first += y.channels) {
            uint8_t& at = flags[row / kHyperStride * across + x / kHyperStride];
            for (int c = 0; c < y.channels && !at; ++c) at = counts(first + c);
        }
    }
}

template <class Pass>
void Branch::traverse(Work& work, Pass& pass, int quality, const Condition* condition,
                      Latents& y) const {
    const Arena::Scope scope(work.arena);
    const Work::In in(work, Stage::prior);
    const HyperSize size = hyper_size(y);
    uint8_t* flags = nullptr;
    if (sparse()) {
        flags = work.arena.take_zeros<uint8_t>(size.count());
        if (!pass.flags(work, flags, size.rows, size.columns)) return;
    }
    const Active active = flags ? Active(work, flags, size.rows, y.columns)
                                : Active(work, y.rows, y.columns);
    Map z = take_map(work, size.rows, size.columns, sizes_.hyper);
    pass.hyper(work, flags, z);
    Map features = prior_.begin(work, z, flags, y.rows, y.columns, quality);
    if (condition) {
        const ptrdiff_t stride = roomy(condition->channels());
        int16_t* seen = work.arena.take_zeros<int16_t>(y.columns * stride);
        for (int row = 0; row < y.rows; ++row) {
            if (active.begin(row) == active.end(row)) continue;
            condition->row(work, row, seen, stride);
            prior_.add_condition(work, seen, stride, row, active, features);
        }
    }
    prior_.run_trunk(work, active, features);
    for (int number = 0; number < static_cast<int>(prior_.steps().size()); ++number) {
        const Arena::Scope step_scope(work.arena);
        prior_.advance(work, number, y, scale(), active, features);
        const StepParameters parameters = prior_.parameters(work, number, features, active);
        pass.latents(work, prior_.steps()[number], parameters, y);
    }
}

static void clear(Latents& y) {
    std::fill(y.data, y.data + static_cast<ptrdiff_t>(y.rows) * y.columns * y.channels, 0);
}

void Branch::decode(Work& work, SymbolDecoder& decoder, int quality, const Condition* condition,
                    Latents& y) const {
    clear(y);
    // Without symbols and without means there is nothing that the networks could say.
    if (decoder.empty() && !sizes_.predict_mean) return;
    Reading pass(*this, decoder);
    traverse(work, pass, quality, condition, y);
}

Information Branch::encode(Work& work, SymbolEncoder& encoder, int quality, const Sources& sources,
                           const Condition* condition, bool tries, Latents& y) const {
    clear(y);
    const Arena::Scope scope(work.arena);
    const float* latents = analyse(work, sources, quality, y);
    Wanted wanted{quality, latents, nullptr, {}};
    if (sparse()) {
        wanted.flags = work.arena.take_zeros<uint8_t>(hyper_size(y).count());
        const float margin = tries ? kDoubtful : kClear;
        const auto may_count = [&](ptrdiff_t i) {
            return std::fabs(latents[i]) + sizes_.rounding >= margin;
        };
        flag(y, may_count, wanted.flags);
    }
    wanted.z = hyper_latents(work, latents, wanted.flags, y);
    if (sparse() && tries) try_areas(work, condition, wanted, y);
    Writing pass(*this, &encoder, wanted);
    traverse(work, pass, quality, condition, y);
    return pass.information;
}

// Codes into `y` without writing, and keeps the flags of the areas that are worth it.
void Branch::try_areas(Work& work, const Condition* condition, Wanted& wanted, Latents& y) const {
    Writing pass(*this, nullptr, wanted);
    const int areas = hyper_size(y).count();
    pass.worth = work.arena.take_zeros<int64_t>(areas);
    traverse(work, pass, wanted.quality, condition, y);
    for (int i = 0; i < areas; ++i) wanted.flags[i] = pass.worth[i] > kLeastWorth;
    clear(y);
}

// Real latents in steps, (rows, columns, latents); each float operation is rounded by itself.
float* Branch::analyse(Work& work, const Sources& sources, int quality, const Latents& like) const {
    const Work::In in(work, Stage::transform);
    const int channels = latents();
    const ptrdiff_t size = static_cast<ptrdiff_t>(like.columns) * channels;
    float* y = work.arena.take<float>(size * like.rows);
    const Arena::Scope scope(work.arena);
    Map added{};
    if (analyses_) {
        const Work::In networks(work, Stage::analysis);
        added = analysis_.run(work, sources, quality);
    }
    int32_t* sums = work.arena.take<int32_t>(size);
    float* steps = work.arena.take<float>(channels);
    std::copy_n(gains(quality), channels, steps);
    for (int row = 0; row < like.rows; ++row) {
        transform_.analyse(work, sources.source[0].planes, row, sums);
        for (ptrdiff_t i = 0; analyses_ && i < size; ++i) sums[i] += 32768 * added.row(row)[i];
        for (ptrdiff_t first = 0; first < size; first += channels) {
            for (int c = 0; c < channels; ++c) {
                const float scaled = static_cast<float>(sums[first + c]) * 0x1p-12f;
                y[row * size + first + c] = scaled / steps[c];
            }
        }
    }
    return y;
}

Map Branch::hyper_latents(Work& work, const float* y, const uint8_t* flags,
                          const Latents& like) const {
    const Work::In in(work, Stage::analysis);
    const int channels = latents();
    Map scaled = take_map(work, like.rows, like.columns, channels);
    const HyperSize size = hyper_size(like);
    const Active active = Active::of(work, grown(work, flags, size.rows, size.columns), like.rows,
                                     like.columns, kHyperStride);
    for (int row = 0; row < like.rows; ++row) {
        for (const Span& span : Spans{active, row}) {
            const ptrdiff_t begin = row * scaled.row_size() + span.first * channels;
            const ptrdiff_t end = begin + static_cast<ptrdiff_t>(span.count) * channels;
            for (ptrdiff_t first = begin; first < end; first += channels) {
                for (int c = 0; c < channels; ++c) {
                    const float product = y[first + c] * (16 * scale_[c]);
                    scaled.data[first + c] = static_cast<int16_t>(round_even(
                        std::clamp(product, -float{kFeatureLimit}, float{kFeatureLimit})));
                }
            }
        }
    }
    return hyper_analysis_.run(work, scaled, flags);
}

}  // namespace colorvid
