// The adaptive binary range coder of colorvid/entropy/binary.py, bit for bit.
//
// All coders share two methods, so that one walk over the data serves all of them: an encoder is
// given the value, a decoder ignores it, and both return it. A context is a probability of a one
// in 16 bits above 6 bits that count the bits it has seen; where a Bin has several sets of contexts,
// one of each speaks of a bit.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace colorvid {

constexpr uint32_t kFreshState = (1u << 15) << 6;
constexpr uint32_t kRangeTop = 1u << 24;
constexpr size_t kFlushBytes = 4;

// Adaptation by the number of bits seen: 1 / (n + 2) to the nearest power of two, then 1 / 64.
struct Adaptation {
    uint8_t shift[64];
    uint8_t next[64];
};

constexpr Adaptation make_adaptation() {
    Adaptation table{};
    const int until[] = {1, 4, 10, 21, 44};  // numbers of bits from which the shift is 2, 3, 4, 5, 6
    const int old = until[4];
    for (int seen = 0; seen < 64; ++seen) {
        int shift = 1;
        for (int limit : until) shift += seen >= limit;
        table.shift[seen] = static_cast<uint8_t>(shift);
        table.next[seen] = static_cast<uint8_t>(seen < old ? seen + 1 : seen);
    }
    return table;
}

inline constexpr Adaptation kAdaptation = make_adaptation();

inline uint32_t adapted(uint32_t state, bool bit) {
    const uint32_t seen = state & 63, shift = kAdaptation.shift[seen];
    uint32_t probability = state >> 6;
    if (bit) {
        probability += (65536 - probability) >> shift;
    } else {
        probability -= probability >> shift;
    }
    return (probability << 6) | kAdaptation.next[seen];
}

// 65536 times the probability of a one.
inline uint32_t probability_of(uint32_t state) { return state >> 6; }
inline void adapt(uint32_t& state, bool bit, uint32_t) { state = adapted(state, bit); }

inline uint32_t share_of(uint32_t range, uint32_t probability) {
    return static_cast<uint32_t>((static_cast<uint64_t>(range) * probability) >> 16);
}

// The logarithm of odds, in units of 1/256, and probabilities.
struct Logistic {
    static constexpr int kLimit = 2047, kKnot = 128;

    // 65536 times the probability at multiples of kKnot from -2048 on; straight lines between.
    static constexpr uint16_t kKnots[33] = {
        22,    36,    60,    98,    162,   267,   439,   720,   1179,  1921,  3108,
        4971,  7812,  11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565,
        62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514};

    static constexpr int probability(int odds) {
        const int at = odds + 16 * kKnot, knot = at / kKnot;
        return kKnots[knot] + (kKnots[knot + 1] - kKnots[knot]) * (at % kKnot) / kKnot;
    }

    int16_t odds[4096];  // by the probability in steps of 1/4096

    constexpr Logistic() : odds{} {
        int found = -kLimit;
        for (int step = 0; step < 4096; ++step) {
            while (found < kLimit && probability(found + 1) <= 16 * step + 8) ++found;
            odds[step] = static_cast<int16_t>(found);
        }
    }
};

inline constexpr Logistic kLogistic{};

constexpr int kWeightOne = 1 << 16, kLargestWeight = 1 << 19, kWeightShift = 14;

// Contexts that speak of one bit together: a weighted sum of their odds, as logarithms; M. Mahoney,
// "Adaptive weighing of context models for lossless data compression" (2005).
template <int Sets>
struct Mixed {
    uint32_t* states[Sets];
    int32_t* weights;
    int odds[Sets];  // as probability_of() found them
};

template <int Sets>
uint32_t probability_of(Mixed<Sets>& mixed) {
    int64_t sum = 0;
    for (int set = 0; set < Sets; ++set) {
        mixed.odds[set] = kLogistic.odds[*mixed.states[set] >> (22 - 12)];
        sum += static_cast<int64_t>(mixed.weights[set]) * mixed.odds[set];
    }
    constexpr int64_t kLimit = Logistic::kLimit;
    const auto odds = static_cast<int>(std::clamp(sum >> 16, -kLimit, kLimit));
    return static_cast<uint32_t>(Logistic::probability(odds));
}

template <int Sets>
void adapt(Mixed<Sets>& mixed, bool bit, uint32_t probability) {
    const int missed = (bit ? 65536 : 0) - static_cast<int>(probability);
    for (int set = 0; set < Sets; ++set) {
        int32_t& weight = mixed.weights[set];
        weight += (missed * mixed.odds[set]) >> kWeightShift;
        weight = std::clamp(weight, -kLargestWeight, kLargestWeight);
        *mixed.states[set] = adapted(*mixed.states[set], bit);
    }
}

// A kind of bit: where the contexts of each of its sets begin, and its weights.
template <int Sets>
struct Bin {
    int first[Sets], weights;
};

// Gives bins their places.
struct Layout {
    static constexpr int kMostWeights = 32;

    template <int Sets>
    constexpr Bin<Sets> bin(const int (&sizes)[Sets]) {
        Bin<Sets> bin{{}, weights};
        for (int set = 0; set < Sets; ++set) {
            bin.first[set] = contexts;
            contexts += sizes[set];
            if (Sets > 1) start[weights++] = 6 * kWeightOne / (5 * Sets);
        }
        return bin;
    }

    int contexts = 0, weights = 0;
    int32_t start[kMostWeights] = {};
};

// The contexts of the bins of a `Bins`, which has a Layout `layout`.
template <const auto& Bins>
struct Contexts {
    std::array<uint32_t, Bins.layout.contexts> states;
    std::array<int32_t, Bins.layout.weights> weights;

    void reset() {
        states.fill(kFreshState);
        std::copy_n(Bins.layout.start, weights.size(), weights.begin());
    }
    uint32_t& of(const Bin<1>& bin, int place) { return states[bin.first[0] + place]; }
    template <int Sets, class... Places>
    Mixed<Sets> of(const Bin<Sets>& bin, Places... places) {
        static_assert(sizeof...(Places) == Sets);
        const int place[] = {places...};
        Mixed<Sets> mixed;
        for (int set = 0; set < Sets; ++set) {
            mixed.states[set] = &states[bin.first[set] + place[set]];
        }
        mixed.weights = &weights[bin.weights];
        return mixed;
    }
};

class RangeEncoder {
public:
    // `context`: one that adapts, or Mixed ones.
    template <class Context>
    bool code(bool bit, Context&& context) {
        const uint32_t probability = probability_of(context);
        const uint32_t bound = share_of(range_, probability);
        if (bit) {
            range_ = bound;
        } else {
            low_ += bound;
            range_ -= bound;
        }
        adapt(context, bit, probability);
        if (range_ < kRangeTop) shift_out();
        return bit;
    }

    // `count` bits (0..32), each as likely 0 as 1, most significant first.
    uint32_t code_bits(uint32_t value, int count) {
        while (count > 0) {
            const int step = std::min(count, 8);
            count -= step;
            range_ >>= step;
            low_ += static_cast<uint64_t>(range_) * ((value >> count) & ((1u << step) - 1));
            if (range_ < kRangeTop) shift_out();
        }
        return value;
    }

    // End with as few bytes as identify the stream, and return all of it.
    const std::vector<uint8_t>& finish() {
        size_t kept = 0;
        for (; kept <= kFlushBytes; ++kept) {
            const uint64_t unit = uint64_t{1} << (32 - 8 * kept);
            const uint64_t value = (low_ + unit - 1) / unit * unit;
            if (value < low_ + range_) {
                low_ = value;
                break;
            }
        }
        carry();
        for (size_t i = 0; i < kept; ++i) out_.push_back(static_cast<uint8_t>(low_ >> (24 - 8 * i)));
        return out_;
    }

private:
    void shift_out() {
        carry();
        while (range_ < kRangeTop) {
            out_.push_back(static_cast<uint8_t>(low_ >> 24));
            low_ = (low_ << 8) & 0xFFFFFFFFu;
            range_ <<= 8;
        }
    }

    // Add an overflow of `low_` to the bytes already written; there is one that is not 255.
    void carry() {
        if (low_ <= 0xFFFFFFFFu) return;
        low_ &= 0xFFFFFFFFu;
        size_t at = out_.size() - 1;
        while (out_[at] == 255) out_[at--] = 0;
        ++out_[at];
    }

    uint64_t low_ = 0;
    uint32_t range_ = 0xFFFFFFFFu;
    std::vector<uint8_t> out_;
};

// Reads zeros behind the end and never out of bounds, whatever the bytes are.
class RangeDecoder {
public:
    RangeDecoder(const uint8_t* data, size_t size) : data_(data), size_(size) {
        for (int i = 0; i < 4; ++i) next_byte();
    }

    template <class Context>
    bool code(bool, Context&& context) {
        const uint32_t probability = probability_of(context);
        const uint32_t bound = share_of(range_, probability);
        const bool bit = code_ < bound;
        if (bit) {
            range_ = bound;
        } else {
            code_ -= bound;
            range_ -= bound;
        }
        adapt(context, bit, probability);
        if (range_ < kRangeTop) shift_in();
        return bit;
    }

    uint32_t code_bits(uint32_t, int count) {
        uint32_t value = 0;
        while (count > 0) {
            const int step = std::min(count, 8);
            count -= step;
            range_ >>= step;
            // A damaged stream can point beyond the range: stay within the bits asked for.
            const uint32_t part = std::min(code_ / range_, (1u << step) - 1);
            code_ -= range_ * part;
            value = (value << step) | part;
            if (range_ < kRangeTop) shift_in();
        }
        return value;
    }

    // The byte at which the decoder stands.
    uint64_t position() const { return at_; }

    // Whether the bits read are all that the bytes hold.
    bool ended() const { return size_ <= at_ && at_ <= size_ + kFlushBytes; }

private:
    void next_byte() {
        code_ = (code_ << 8) | (at_ < size_ ? data_[at_] : 0u);
        ++at_;
    }

    void shift_in() {
        while (range_ < kRangeTop) {
            range_ <<= 8;
            next_byte();
        }
    }

    const uint8_t* data_;
    size_t size_;
    uint64_t at_ = 0;
    uint32_t range_ = 0xFFFFFFFFu;
    uint32_t code_ = 0;
};

// Adapts the contexts as coding does; writes nothing.
class StateAdapter {
public:
    template <class Context>
    bool code(bool bit, Context&& context) {
        adapt(context, bit, probability_of(context));
        return bit;
    }

    uint32_t code_bits(uint32_t value, int) { return value; }
};

// 1024 * log2(x), rounded down, for x >= 1.
constexpr int scaled_log2(uint64_t x) {
    int whole = 0;
    while (x >> (whole + 1)) ++whole;
    uint64_t mantissa = x << (31 - whole);  // in 1..2, times 2^31
    int result = whole;
    for (int bit = 0; bit < 10; ++bit) {
        mantissa = (mantissa * mantissa) >> 31;
        const int above = static_cast<int>(mantissa >> 32);
        mantissa >>= above;
        result = 2 * result + above;
    }
    return result;
}

// Bits of a one by its probability in steps of 1/1024, in units of 1/1024.
struct Prices {
    int bits[1024];
};

constexpr Prices make_prices() {
    Prices table{};
    for (int i = 0; i < 1024; ++i) table.bits[i] = 11 * 1024 - scaled_log2(2 * i + 1);
    return table;
}

inline constexpr Prices kPrices = make_prices();

// Adds up what bits would cost with the contexts as they are; writes nothing.
class BitMeter {
public:
    template <class Context>
    bool code(bool bit, Context&& context) {
        const uint32_t share = probability_of(context) >> (16 - 10);
        bits += kPrices.bits[bit ? share : 1023 - share];
        return bit;
    }

    uint32_t code_bits(uint32_t value, int count) {
        bits += 1024 * count;
        return value;
    }

    int bits = 0;  // in units of 1/1024
};

// Exp-Golomb (order 0) of `value` in 0 .. 2^(limit + 1) - 2; the prefix and the first bit behind it
// have contexts: `at(place)` at places 0 .. 2 * limit.
template <class Coder, class At>
uint32_t code_magnitude(Coder& coder, uint32_t value, int limit, const At& at) {
    int wanted = 0;
    while (wanted < limit && (value + 1) >> (wanted + 1)) ++wanted;
    int length = 0;
    while (length < limit && coder.code(length < wanted, at(length))) ++length;
    if (length == 0) return 0;
    const uint32_t rest = value + 1 - (1u << length);
    const int low = length - 1;
    const uint32_t first = coder.code((rest >> low) & 1u, at(limit + length));
    const uint32_t tail = low ? coder.code_bits(rest & ((1u << low) - 1), low) : 0;
    return (1u << length) + (first << low) + tail - 1;
}

}  // namespace colorvid
