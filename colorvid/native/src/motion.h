// Motion of the frames of a group of pictures: what each kept picture leaves for later frames.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "compensate.h"
#include "motion_pair.h"

namespace colorvid {

// Which pictures a frame is predicted from, by the numbers of their slots, and how many frames away
// they are. Without a second one, `future` is -1; the second one of a P frame is an earlier one too,
// and its distance below 0.
struct Links {
    int32_t past, future;
    int32_t inherits;  // the one of both whose contexts the frame goes on with
    int32_t target;    // where the frame itself is put
    int32_t past_distance, future_distance;

    bool fit(int slots) const {
        const auto is_slot = [&](int slot) { return slot >= 0 && slot < slots; };
        const auto is_distance = [](int d) { return d >= 1 && d <= kMostDistance; };
        return is_slot(past) && is_slot(target) && (inherits == past || inherits == future) &&
               is_slot(inherits) && target != past && target != future &&
               is_distance(past_distance) &&
               (future == -1 || (is_slot(future) && is_distance(std::abs(future_distance))));
    }
};

// Threads may use it at the same time, where no frame is put into a slot that another one of them
// needs.
class MotionState {
public:
    MotionState(int rows, int columns, int slots)
        : rows_(rows), columns_(columns), slots_(slots) {}

    int rows() const { return rows_; }
    int columns() const { return columns_; }
    int slots() const { return static_cast<int>(slots_.size()); }

    // A key frame: fresh contexts, no motion.
    void start(int target) {
        Memory fresh;
        fresh.contexts.reset();
        fresh.trace.vectors.assign(static_cast<size_t>(rows_) * columns_ * 2, 0);
        fresh.trace.distances.assign(macroblocks(), 0);
        fresh.filled = true;
        slots_[target] = std::move(fresh);
    }

    // Whether the references of a frame are there.
    bool has(const Links& links) const {
        return slots_[links.past].filled && (links.future < 0 || slots_[links.future].filled);
    }

    // The bytes of a frame's motion; they stay until its slot is used again.
    const std::vector<uint8_t>& encode(const Links& links, const Prediction& motion) {
        RangeEncoder coder;
        walk(coder, links, &motion, nullptr);
        return slots_[links.target].bytes = coder.finish();
    }

    // Read a frame's motion; throws VectorOutOfRange.
    void decode(RangeDecoder& coder, const Links& links, const MotionOut& out) {
        walk(coder, links, nullptr, &out);
    }

    // Contexts that last from frame to frame, and modes of the macroblocks of the last frame.
    struct Contexts {
        FieldContexts p, past, future;
        UseContexts uses;
        Modes modes[2], ways;  // ways: of a frame with two references

        void reset() {
            for (FieldContexts* field : {&p, &past, &future}) field->reset();
            uses.reset();
            for (Modes* one : {&modes[0], &modes[1], &ways}) one->clear();
        }
        // Those of the first field of a frame with two references.
        FieldContexts& first(const Links& links) { return links.future_distance < 0 ? p : past; }
        const Modes* before(int field) const {
            return modes[field].empty() ? nullptr : &modes[field];
        }
    };

    // The contexts that a frame goes on with.
    const Contexts& inherited(const Links& links) const { return slots_[links.inherits].contexts; }

    PairWalk::Frame pair_frame(const Links& links, const Contexts& contexts) const {
        return {rows_,
                columns_,
                links.past_distance,
                links.future_distance,
                &slots_[links.future_distance < 0 ? links.past : links.future].trace,
                {contexts.before(0), contexts.before(1)},
                contexts.ways.empty() ? nullptr : &contexts.ways};
    }

    // Motion of the first reference, carried on to a frame: for the macroblock at `row`, `column`;
    // kNone where it has none.
    Quad expected(const Links& links, int row, int column) const {
        const Trace& trace = slots_[links.past].trace;
        const int from =
            trace.distances[static_cast<size_t>(row) * ((columns_ + 1) / 2) + column];
        if (from == 0) return {kNone, kNone, kNone, kNone};
        Quad quad = quad_at({trace.vectors.data(), rows_, columns_}, row, column);
        for (Vector& vector : quad) vector = over_frames(vector, links.past_distance, from);
        return quad;
    }

private:
    struct Memory {
        bool filled = false;
        Contexts contexts;
        Trace trace;
        std::vector<uint8_t> bytes;  // of an encoded frame
    };

    size_t macroblocks() const {
        return static_cast<size_t>((rows_ + 1) / 2) * ((columns_ + 1) / 2);
    }

    // A pass over one frame; `motion` is null for a decoder, `out` for an encoder.
    template <class Coder>
    void walk(Coder& coder, const Links& links, const Prediction* motion, const MotionOut* out) {
        Memory memory;
        memory.contexts = inherited(links);
        memory.filled = true;
        if (links.future < 0) walk_one(coder, links, motion, out, memory);
        else walk_pair(coder, links, motion, out, memory);
        slots_[links.target] = std::move(memory);
    }

    template <class Coder>
    void walk_one(Coder& coder, const Links& links, const Prediction* motion,
                  const MotionOut* out, Memory& memory) {
        Contexts& contexts = memory.contexts;
        Walk walk(rows_, columns_, contexts.p, contexts.before(0));
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) {
                const Quad quad = motion ? quad_at(motion->past, row, column) : Quad{};
                walk.macroblock(coder, row, column, quad, expected(links, row, column));
            }
        }
        memory.trace.vectors.resize(static_cast<size_t>(rows_) * columns_ * 2);
        write_field(walk, rows_, columns_, memory.trace.vectors.data());
        memory.trace.distances.assign(macroblocks(), static_cast<int8_t>(links.past_distance));
        if (out) std::copy(memory.trace.vectors.begin(), memory.trace.vectors.end(), out->past);
        contexts.modes[0] = std::move(walk.modes);
        contexts.modes[1].clear();
        contexts.ways.clear();
    }

    template <class Coder>
    void walk_pair(Coder& coder, const Links& links, const Prediction* motion,
                   const MotionOut* out, Memory& memory) {
        Contexts& contexts = memory.contexts;
        PairWalk walk(pair_frame(links, contexts), contexts.first(links), contexts.future,
                      contexts.uses);
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) {
                PairChoice wanted{};
                if (motion) {
                    wanted = {motion->use(row, column), quad_at(motion->past, row, column),
                              quad_at(motion->future, row, column)};
                }
                walk.macroblock(coder, row, column, wanted);
            }
        }
        if (out) write_pair(walk, rows_, columns_, *out);
        leave_trace(walk, links, memory.trace);
        contexts.modes[0] = std::move(walk.past.modes);
        contexts.modes[1] = std::move(walk.future.modes);
        contexts.ways = walk.ways();
    }

    // Of the vectors of a macroblock those towards the past, if it uses them.
    void leave_trace(const PairWalk& walk, const Links& links, Trace& trace) const {
        trace.vectors.resize(static_cast<size_t>(rows_) * columns_ * 2);
        trace.distances.resize(macroblocks());
        int16_t* to = trace.vectors.data();
        for (int row = 0; row < rows_; ++row) {
            for (int column = 0; column < columns_; ++column) {
                const bool past = uses_past(walk.use(row / 2, column / 2));
                const Vector vector = (past ? walk.past : walk.future).block(row, column);
                *to++ = static_cast<int16_t>(vector.y);
                *to++ = static_cast<int16_t>(vector.x);
            }
        }
        int8_t* distance = trace.distances.data();
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) {
                const bool past = uses_past(walk.use(row, column));
                *distance++ =
                    static_cast<int8_t>(past ? links.past_distance : -links.future_distance);
            }
        }
    }

    const int rows_, columns_;
    std::vector<Memory> slots_;
};

}  // namespace colorvid
