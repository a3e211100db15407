// The walk over the macroblocks of a frame with two references: two fields of vectors and what each macroblock uses;
// colorvid/motion/pair.py, bit for bit.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "motion_walk.h"

namespace colorvid {

enum Use : uint8_t { kPast, kFuture, kBoth };

constexpr int kMostDistance = 16;  // frames from a frame to its reference
constexpr int kScaleBits = 16;  // products with vectors fit 32 bits

// Bits of a frame with two references beside those of its two fields.
struct UseBins {
    Layout layout;
    Bin<5> direct = layout.bin({16, 36, 27, 3 * kClasses * kClasses, 648});
    Bin<4> old = layout.bin({27, 108, 3 * kClasses * kClasses, 6 * kClasses * kClasses});
    Bin<3> both = layout.bin({9, 12, kClasses * kClasses});
    Bin<3> later = layout.bin({9, 12, kClasses * kClasses});
};
inline constexpr UseBins kUses{};
using UseContexts = Contexts<kUses>;

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
        const Modes* ways;  // of its macroblocks, see PairWalk::ways(), or null
    };

    PairWalk(const Frame& frame, FieldContexts& past, FieldContexts& future, UseContexts& uses)
        : past(frame.rows, frame.columns, past, frame.before[0]),
          future(frame.rows, frame.columns, future, frame.before[1]),
          tall(this->past.tall),
          wide(this->past.wide),
          frame_(frame),
          contexts_(uses),
          uses_(static_cast<size_t>(tall + 1) * (wide + 1), kBoth),
          kinds_(uses_.size(), kCoded) {}

    Walk past, future;
    const int tall, wide;

    Use use(int row, int column) const { return uses_[place(row, column)]; }

    // Three times the use of each macroblock and how it was coded, laid out as Walk::modes.
    Modes ways() const {
        Modes ways(uses_.size());
        for (size_t i = 0; i < ways.size(); ++i) {
            ways[i] = static_cast<uint8_t>(3 * uses_[i] + kinds_[i]);
        }
        return ways;
    }

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
        const bool alike = same(near, old);
        const Around around = look(row, column);
        if (coder.code(is_near || is_old, direct_contexts(here, around, alike))) {
            bool take_old = false;
            if (!alike) take_old = coder.code(!is_near, old_contexts(here, around, near, old));
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
        if (!coder.code(wanted.use == kBoth, contexts_.of(kUses.both, around.uses,
                                                          4 * boths + around.used, around.apart))) {
            const int laters = (uses_[left] == kFuture) + (uses_[above] == kFuture);
            const bool later = coder.code(
                wanted.use == kFuture,
                contexts_.of(kUses.later, around.uses, 4 * laters + around.used, around.apart));
            use = later ? kFuture : kPast;
        }
        uses_[here] = use;
        if (uses_past(use)) past.macroblock(coder, row, column, wanted.past, old.past);
        else past.assume(row, column, near.past);
        if (!uses_future(use)) {
            future.assume(row, column, near.future);
        } else {
            const Quad expected = uses_past(use) ? mirrored(row, column) : old.future;
            future.macroblock(coder, row, column, wanted.future, expected);
        }
    }

private:
    enum Kind : uint8_t { kCoded, kNear, kOld };

    // What the neighbours and the frame before say of a macroblock.
    struct Around {
        size_t right, corner;  // places above right and above left; at an edge above
        int uses;              // of the left and of the upper macroblock
        int used, kind;        // by the same macroblock of that frame; 3 = not known
        int apart;             // how much the neighbours' vectors differ, in both fields
    };

    Around look(int row, int column) const {
        const size_t here = place(row, column), left = here - 1, above = here - wide - 1;
        const Neighbours p = past.neighbours(row, column), f = future.neighbours(row, column);
        const int way = frame_.ways ? (*frame_.ways)[here] : 12;
        return {column + 1 < wide ? above + 1 : above,
                column > 0 ? above - 1 : above,
                3 * uses_[left] + uses_[above],
                way / 3 > 2 ? 3 : way / 3,
                way == 12 ? 3 : way % 3,
                kClasses * Walk::class_of(p.left, p.above) + Walk::class_of(f.left, f.above)};
    }

    int direct(size_t at) const { return kinds_[at] != kCoded; }
    // In the frame before; 2 = not known.
    int was_direct(size_t at) const {
        if (!frame_.ways) return 2;
        return at < frame_.ways->size() && (*frame_.ways)[at] % 3 != kCoded;
    }

    Mixed<5> direct_contexts(size_t here, const Around& around, bool alike) {
        const size_t left = here - 1, above = here - wide - 1;
        const int directs = direct(left) + direct(above), was = was_direct(here);
        return contexts_.of(
            kUses.direct,
            8 * direct(left) + 4 * direct(above) + 2 * direct(around.right) + direct(around.corner),
            4 * around.uses + around.used,
            9 * was + 3 * was_direct(here + 1) + was_direct(here + wide + 1),
            3 * around.apart + directs,
            18 * (6 * directs + 2 * was + alike) + 2 * around.uses + direct(around.right));
    }

    Mixed<4> old_contexts(size_t here, const Around& around, const PairChoice& near,
                          const PairChoice& old) {
        const size_t left = here - 1, above = here - wide - 1;
        const int olds = (kinds_[left] == kOld) + (kinds_[above] == kOld);
        const int off = Walk::class_of(distance(near.past[0], old.past[0]) +
                                       distance(near.future[0], old.future[0]));
        const Vector across =
            over_frames(near.past[0], -frame_.future_distance, frame_.past_distance);
        const int bent = Walk::class_of(distance(across, near.future[0]));
        const bool even = old.past[0] == old.past[1] && old.past[1] == old.past[2] &&
                          old.past[2] == old.past[3];
        return contexts_.of(kUses.old,
                            9 * kinds_[left] + 3 * kinds_[above] + kinds_[around.right],
                            3 * (4 * around.uses + around.used) + olds,
                            3 * (kClasses * off + bent) + olds, 6 * around.apart + 2 * olds + even);
    }

    // The vectors towards the first reference, over to the second one.
    Quad mirrored(int row, int column) const {
        Quad quad;
        for (int block = 0; block < 4; ++block) {
            quad[block] = over_frames(past.block(2 * row + block / 2, 2 * column + block % 2),
                                      -frame_.future_distance, frame_.past_distance);
        }
        return quad;
    }

    static int distance(Vector a, Vector b) { return std::abs(a.y - b.y) + std::abs(a.x - b.x); }

    size_t place(int row, int column) const {
        return static_cast<size_t>(row + 1) * (wide + 1) + column + 1;
    }

    const Frame frame_;
    UseContexts& contexts_;
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
