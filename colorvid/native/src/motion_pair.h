// The walk over the macroblocks of a frame with two references: two fields of vectors and what each macroblock uses;
// colorvid/motion/pair.py, bit for bit.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "motion_walk.h"

namespace colorvid {

enum Use : uint8_t { kPast, kFuture, kBoth };

constexpr int kMostDistance = 16;  // frames from a frame to its reference
constexpr int kScaleBits = 16;  // products with vectors fit 32 bits

// Contexts of a B frame beside those of its two fields.
struct UseStates {
    uint32_t direct[3], temporal[3], both[3], future[3];

    void reset() {
        for (uint32_t* group : {direct, temporal, both, future}) std::fill_n(group, 3, kFreshState);
    }
};

// What a macroblock of a B frame is predicted from; the vectors of a reference that it does not
// use do not matter.
struct PairChoice {
    Use use;
    Quad past, future;
};

inline bool uses_past(Use use) { return use != kFuture; }
inline bool uses_future(Use use) { return use != kPast; }

// Whether two choices predict the same.
inline bool same(const PairChoice& a, const PairChoice& b) {
    return a.use == b.use && (!uses_past(a.use) || a.past == b.past) &&
           (!uses_future(a.use) || a.future == b.future);
}

// Motion of a picture as later frames see it: a vector for each block, and how many frames before
// the picture its reference lies; below 0 behind it, 0 = the macroblock has no motion.
struct Trace {
    std::vector<int16_t> vectors;   // rows x columns x (dy, dx)
    std::vector<int8_t> distances;  // of macroblocks
};

// `vector`, which spans `from` frames, over `to` frames; both below 0 towards later ones.
inline Vector over_frames(Vector vector, int to, int from) {
    if (from == 0) return kZero;
    const int span = std::abs(from);
    const int share = ((1 << kScaleBits) + span / 2) / span;
    const int factor = (from < 0 ? -to : to) * share;
    const auto scale = [&](int x) {
        const int scaled = (x * factor + (1 << (kScaleBits - 1))) >> kScaleBits;
        return std::clamp(scaled, -kVectorLimit, kVectorLimit);
    };
    return {scale(vector.y), scale(vector.x)};
}

class PairWalk {
public:
    // `past` and `future`: contexts of the two fields; `before`: modes of each of them in the frame
    // whose contexts these are, or null. `trace`: motion of the later reference, of
    // a P frame that of the first one.
    struct Frame {
        int rows, columns;  // of blocks
        int past_distance, future_distance;
        const Trace* trace;
        const Modes* before[2];
    };

    PairWalk(const Frame& frame, States& past, States& future, UseStates& uses)
        : past(frame.rows, frame.columns, past, frame.before[0]),
          future(frame.rows, frame.columns, future, frame.before[1]),
          tall(this->past.tall),
          wide(this->past.wide),
          frame_(frame),
          states_(uses),
          uses_(static_cast<size_t>(tall + 1) * (wide + 1), kBoth),
          kinds_(uses_.size(), kCoded) {}

    Walk past, future;
    const int tall, wide;

    Use use(int row, int column) const { return uses_[place(row, column)]; }

    // Direct from the neighbours: the guesses, and what the neighbours use if they agree.
    PairChoice spatial(int row, int column) const {
        const size_t here = place(row, column);
        const Use left = uses_[here - 1], above = uses_[here - wide - 1];
        const Vector a = median(past.neighbours(row, column));
        const Vector b = median(future.neighbours(row, column));
        return {left == above ? left : kBoth, {a, a, a, a}, {b, b, b, b}};
    }

    // Direct from the motion of that reference at the same place.
    PairChoice temporal(int row, int column) const {
        const Field field{frame_.trace->vectors.data(), frame_.rows, frame_.columns};
        const int from = frame_.trace->distances[static_cast<size_t>(row) * wide + column];
        const Quad quad = quad_at(field, row, column);
        PairChoice choice{kBoth, {}, {}};
        for (int block = 0; block < 4; ++block) {
            choice.past[block] = over_frames(quad[block], frame_.past_distance, from);
            choice.future[block] = over_frames(quad[block], -frame_.future_distance, from);
        }
        return choice;
    }

    // Code the macroblock at `row`, `column`; a decoder ignores `wanted`.
    template <class Coder>
    void macroblock(Coder& coder, int row, int column, const PairChoice& wanted) {
        macroblock(coder, row, column, wanted, spatial(row, column), temporal(row, column));
    }

    // The same where both direct choices are known.
    template <class Coder>
    void macroblock(Coder& coder, int row, int column, const PairChoice& wanted,
                    const PairChoice& near, const PairChoice& old) {
        const size_t here = place(row, column), left = here - 1, above = here - wide - 1;
        const bool is_near = same(wanted, near), is_old = same(wanted, old);
        const int directs = (kinds_[left] != kCoded) + (kinds_[above] != kCoded);
        if (coder.code(is_near || is_old, states_.direct[directs])) {
            bool take_old = false;
            if (!same(near, old)) {
                const int olds = (kinds_[left] == kOld) + (kinds_[above] == kOld);
                take_old = coder.code(!is_near, states_.temporal[olds]);
            }
            const PairChoice& direct = take_old ? old : near;
            kinds_[here] = take_old ? kOld : kNear;
            uses_[here] = direct.use;
            past.assume(row, column, uses_past(direct.use) ? direct.past : near.past);
            future.assume(row, column, uses_future(direct.use) ? direct.future : near.future);
            return;
        }
        kinds_[here] = kCoded;
        const int boths = (uses_[left] == kBoth) + (uses_[above] == kBoth);
        Use use = kBoth;
        if (!coder.code(wanted.use == kBoth, states_.both[boths])) {
            const int futures = (uses_[left] == kFuture) + (uses_[above] == kFuture);
            use = coder.code(wanted.use == kFuture, states_.future[futures]) ? kFuture : kPast;
        }
        uses_[here] = use;
        if (uses_past(use)) past.macroblock(coder, row, column, wanted.past);
        else past.assume(row, column, near.past);
        if (uses_future(use)) future.macroblock(coder, row, column, wanted.future);
        else future.assume(row, column, near.future);
    }

private:
    enum Kind : uint8_t { kCoded, kNear, kOld };

    size_t place(int row, int column) const {
        return static_cast<size_t>(row + 1) * (wide + 1) + column + 1;
    }

    const Frame frame_;
    UseStates& states_;
    std::vector<Use> uses_;  // with a border above and to the left
    std::vector<Kind> kinds_;
};

// Vectors of a frame towards both references, and what each macroblock of 2x2 blocks uses, as Use.
// A P frame has only vectors towards the past.
struct MotionOut {
    int16_t *past, *future;
    uint8_t* uses;
};

// The motion of a B frame that has been coded.
inline void write_pair(const PairWalk& walk, int rows, int columns, const MotionOut& out) {
    write_field(walk.past, rows, columns, out.past);
    write_field(walk.future, rows, columns, out.future);
    uint8_t* uses = out.uses;
    for (int row = 0; row < walk.tall; ++row) {
        for (int column = 0; column < walk.wide; ++column) *uses++ = walk.use(row, column);
    }
}

}  // namespace colorvid
