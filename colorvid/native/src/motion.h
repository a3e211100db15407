// The state that lasts from frame to frame of a group of pictures: contexts and modes.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "choose.h"

namespace colorvid {

class MotionState {
public:
    MotionState() { reset(); }

    void reset() {
        states_.fill(kFreshState);
        modes_.clear();
        rows_ = columns_ = 0;
    }

    // The bytes of a field; they stay until the next call.
    const std::vector<uint8_t>& encode(Field field) {
        RangeEncoder coder;
        walk(coder, field.rows, field.columns, &field, nullptr);
        bytes_ = coder.finish();
        return bytes_;
    }

    // Read a field; throws VectorOutOfRange.
    void decode(RangeDecoder& coder, int rows, int columns, int16_t* vectors) {
        walk(coder, rows, columns, nullptr, vectors);
    }

    // Contexts of the next frame as they stand, and modes of the frame before if it had this size.
    const States& states() const { return states_; }
    const Modes* before(int rows, int columns) const {
        return rows == rows_ && columns == columns_ ? &modes_ : nullptr;
    }

private:
    // A pass over one frame; `field` is null for a decoder, `vectors` for an encoder.
    template <class Coder>
    void walk(Coder& coder, int rows, int columns, const Field* field, int16_t* vectors) {
        Walk walk(rows, columns, states_, before(rows, columns));
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) {
                const Quad quad = field ? quad_at(*field, row, column) : Quad{};
                walk.macroblock(coder, row, column, quad);
            }
        }
        if (vectors) write_field(walk, rows, columns, vectors);
        modes_ = std::move(walk.modes);
        rows_ = rows;
        columns_ = columns;
    }

    States states_;
    Modes modes_;
    int rows_ = 0, columns_ = 0;
    std::vector<uint8_t> bytes_;
};

}  // namespace colorvid
