// The entropy coder of hyper-latents and latents: docs/coding.md, "rANS decoder" (J. Duda, "Asymmetric
// numeral systems", arXiv 1311.2540). The encoder begins at state 0, so that few symbols take few
// bytes; the decoder also reads what compressai's coder writes, which begins at 2^31.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace colorvid {

constexpr int kPrecision = 16;    // bits of a cumulative distribution
constexpr int kMaxSymbol = 2047;  // largest magnitude of a symbol
constexpr uint64_t kLowest = uint64_t{1} << 31;

// Distributions of one kind of symbols, with what makes them quick to use.
class SymbolTables {
public:
    SymbolTables() = default;
    // Whether these are `count` rows of `longest` entries, of which the first `sizes[i]` count: odd,
    // at least 3, rising strictly from 0 to 65536.
    static bool fit(const int32_t* cdf, const int32_t* sizes, int count, int longest) {
        if (count < 1 || longest < 3 || longest > 2 * kMaxSymbol + 3) return false;
        for (int row = 0; row < count; ++row, cdf += longest) {
            const int size = sizes[row];
            if (size < 3 || size > longest || size % 2 == 0) return false;
            if (cdf[0] != 0 || cdf[size - 1] != 1 << kPrecision) return false;
            for (int i = 1; i < size; ++i) {
                if (cdf[i] <= cdf[i - 1]) return false;
            }
        }
        return true;
    }
    // From such rows.
    SymbolTables(const int32_t* cdf, const int32_t* sizes, int count, int longest)
        : longest_(longest),
          cdf_(cdf, cdf + static_cast<size_t>(count) * longest),
          sizes_(sizes, sizes + count),
          first_(static_cast<size_t>(count) * kBuckets) {
        for (int row = 0; row < count; ++row) {
            int symbol = 0;
            for (int bucket = 0; bucket < kBuckets; ++bucket) {
                while (cdf_[place(row, symbol + 1)] <= bucket << kBucketBits) ++symbol;
                first_[static_cast<size_t>(row) * kBuckets + bucket] =
                    static_cast<uint16_t>(symbol);
            }
            zero_bits_.push_back(kPrecision - std::log2(double(share(row, reach(row)))));
        }
    }

    int count() const { return static_cast<int>(sizes_.size()); }
    int size(int row) const { return sizes_[row]; }
    int reach(int row) const { return (sizes_[row] - 3) / 2; }
    int32_t start(int row, int symbol) const { return cdf_[place(row, symbol)]; }
    int32_t share(int row, int symbol) const { return start(row, symbol + 1) - start(row, symbol); }
    // The place v with cdf[v] <= value < cdf[v + 1].
    int find(int row, int32_t value) const {
        const int32_t* cdf = &cdf_[place(row, 0)];
        int symbol = first_[static_cast<size_t>(row) * kBuckets + (value >> kBucketBits)];
        while (cdf[symbol + 1] <= value) ++symbol;
        return symbol;
    }
    // What a symbol costs, in bits; the nibbles of an escape count as 8.
    double bits(int row, int symbol) const {
        if (symbol == 0) return zero_bits_[row];
        const int far = reach(row);
        const bool inside = std::abs(symbol) <= far;
        const double part = share(row, inside ? symbol + far : 2 * far + 1);
        return kPrecision - std::log2(part) + (inside ? 0 : 8);
    }

private:
    static constexpr int kBucketBits = 8;
    static constexpr int kBuckets = 1 << (kPrecision - kBucketBits);

    size_t place(int row, int symbol) const {
        return static_cast<size_t>(row) * longest_ + symbol;
    }

    int longest_ = 0;
    std::vector<int32_t> cdf_, sizes_;
    std::vector<double> zero_bits_;  // of a zero, which most symbols are
    std::vector<uint16_t> first_;  // the symbol at the start of each 256th of the range
};

class SymbolDecoder {
public:
    SymbolDecoder(const uint8_t* data, size_t size)
        : data_(data), size_(size), at_(state_bytes(size)), empty_(size == 0) {
        for (size_t i = 0; i < at_; ++i) state_ |= uint64_t{data[i]} << (8 * i);
    }

    // Whether every symbol is 0, as nothing was written.
    bool empty() const { return empty_; }

    // Information of what was read, in bits; differences count.
    double bits() const { return 8.0 * static_cast<double>(at_) - std::log2(static_cast<double>(state_) + 1); }

    // The next symbol, within +-2047 whatever the bytes are.
    int read(const SymbolTables& tables, int row) {
        if (empty_) return 0;
        const int size = tables.size(row);
        const int32_t value = static_cast<int32_t>(state_ & 0xffff);
        const int found = tables.find(row, value);
        const int32_t start = tables.start(row, found);
        state_ = static_cast<uint64_t>(tables.share(row, found)) * (state_ >> kPrecision) +
                 static_cast<uint64_t>(value - start);
        refill();
        const int symbol = found == size - 2 ? escaped(size) : found;
        return std::clamp(symbol - (size - 3) / 2, -kMaxSymbol, kMaxSymbol);
    }

private:
    // The value behind an escape. Damaged data may ask for any number of nibbles, but only as many
    // as they have bytes for: zeros follow behind them, and end the count.
    int escaped(int size) {
        uint64_t count = 0, part = 0;
        do count += part = nibble();
        while (part == 15);
        uint32_t raw = 0;
        for (uint64_t i = 0; i < count; ++i) {
            const uint32_t digit = nibble();
            if (i < 3) raw |= digit << (4 * i);
            else if (digit) raw |= 0xf000;  // larger than any symbol
        }
        const int half = static_cast<int>(raw >> 1);
        return raw & 1 ? -half - 1 : half + size - 2;
    }

    uint32_t nibble() {
        const uint32_t value = static_cast<uint32_t>(state_ & 15);
        state_ >>= 4;
        refill();
        return value;
    }

    // Behind the last word the state goes down to where the encoder began.
    void refill() {
        if (state_ >= kLowest || at_ == size_) return;
        uint32_t word = 0;
        for (int i = 0; i < 4; ++i) word |= uint32_t{data_[at_++]} << (8 * i);
        state_ = state_ << 32 | word;
    }

    // The first bytes are the state: 8 at most, and so many that whole words follow.
    static size_t state_bytes(size_t size) { return size <= 8 ? size : 5 + (size - 5) % 4; }

    const uint8_t* data_;
    size_t size_, at_;
    bool empty_;
    uint64_t state_ = 0;
};

// Collects symbols in order and writes them from the last to the first.
class SymbolEncoder {
public:
    void clear() {
        steps_.clear();
        any_ = false;
    }

    // Adds a symbol within +-2047 and returns its information in bits.
    void write(const SymbolTables& tables, int row, int symbol) {
        const int size = tables.size(row), escape = size - 2;
        const int value = symbol + (size - 3) / 2;
        const bool inside = value >= 0 && value < escape;
        const int place = inside ? value : escape;
        push(tables.start(row, place), tables.share(row, place));
        if (!inside) push_escaped(value < 0 ? -2 * value - 1 : 2 * (value - escape));
        any_ = any_ || symbol != 0;
    }

    // The bytes; none if every symbol was 0. They stay until the next call.
    const std::vector<uint8_t>& finish() {
        bytes_.clear();
        if (!any_) return bytes_;
        words_.clear();
        uint64_t state = 0;
        for (size_t i = steps_.size(); i-- > 0;) {
            const Step step = steps_[i];
            const uint64_t part = step.share ? step.share : uint64_t{1} << (kPrecision - 4);
            if (state >= part << (63 - kPrecision)) {
                words_.push_back(static_cast<uint32_t>(state));
                state >>= 32;
            }
            state = step.share ? (state / part << kPrecision) + state % part + step.start
                               : state << 4 | step.start;
        }
        // With words behind it the state is 2^31 or more, and takes five bytes or more.
        const int least = words_.empty() ? 1 : 5;
        for (int i = 0; i < least || state; ++i, state >>= 8) {
            bytes_.push_back(static_cast<uint8_t>(state));
        }
        for (size_t i = words_.size(); i-- > 0;) put(words_[i]);
        return bytes_;
    }

private:
    // Of a distribution; or four plain bits, where `share` is 0.
    struct Step {
        uint16_t start, share;
    };

    // A share of all 65536 cannot arise: a table has three symbols at least one of which is 1.
    void push(int32_t start, int32_t share) {
        steps_.push_back({static_cast<uint16_t>(start), static_cast<uint16_t>(share)});
    }

    void push_escaped(uint32_t raw) {
        uint32_t count = 0;
        while (raw >> (4 * count)) ++count;
        push(static_cast<int32_t>(count), 0);  // at most 4, no count reaches 15
        for (uint32_t i = 0; i < count; ++i) push(static_cast<int32_t>(raw >> (4 * i) & 15), 0);
    }

    void put(uint32_t word) {
        for (int i = 0; i < 4; ++i) bytes_.push_back(static_cast<uint8_t>(word >> (8 * i)));
    }

    std::vector<Step> steps_;
    std::vector<uint32_t> words_;
    std::vector<uint8_t> bytes_;
    bool any_ = false;
};

}  // namespace colorvid
