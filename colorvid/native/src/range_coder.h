// The adaptive binary range coder of colorvid/entropy/binary.py, bit for bit.
//
// All coders share two methods, so that one walk over the data serves all of them: an encoder is
// given the value, a decoder ignores it, and both return it. A context is a probability of a one
// in 16 bits above 6 bits that count the bits it has seen.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
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

inline uint32_t share_of_one(uint32_t range, uint32_t state) {
    return static_cast<uint32_t>((static_cast<uint64_t>(range) * (state >> 6)) >> 16);
}

class RangeEncoder {
public:
    bool code(bool bit, uint32_t& state) {
        const uint32_t bound = share_of_one(range_, state);
        if (bit) {
            range_ = bound;
        } else {
            low_ += bound;
            range_ -= bound;
        }
        state = adapted(state, bit);
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

    bool code(bool, uint32_t& state) {
        const uint32_t bound = share_of_one(range_, state);
        const bool bit = code_ < bound;
        if (bit) {
            range_ = bound;
        } else {
            code_ -= bound;
            range_ -= bound;
        }
        state = adapted(state, bit);
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
    bool code(bool bit, uint32_t& state) {
        state = adapted(state, bit);
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
    bool code(bool bit, uint32_t& state) {
        const uint32_t share = state >> (22 - 10);
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
// have contexts, `2 * limit + 1` from `states` on.
template <class Coder>
uint32_t code_magnitude(Coder& coder, uint32_t value, uint32_t* states, int limit) {
    int wanted = 0;
    while (wanted < limit && (value + 1) >> (wanted + 1)) ++wanted;
    int length = 0;
    while (length < limit && coder.code(length < wanted, states[length])) ++length;
    if (length == 0) return 0;
    const uint32_t rest = value + 1 - (1u << length);
    const int low = length - 1;
    const uint32_t first = coder.code((rest >> low) & 1u, states[limit + length]);
    const uint32_t tail = low ? coder.code_bits(rest & ((1u << low) - 1), low) : 0;
    return (1u << length) + (first << low) + tail - 1;
}

}  // namespace colorvid
