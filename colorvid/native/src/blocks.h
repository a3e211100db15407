// Residual blocks and attention: colorvid/nn/blocks.py, row by row, so that rows stay in cache.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "active.h"

namespace colorvid {

// x + leave(context(leaky(enter(x)))), then x + project(gate(the halves of expand(x))).
class ResidualBlock {
public:
    ResidualBlock() = default;
    ResidualBlock(const Tensors& tensors, const std::string& name, int channels, int side);

    // Changes `x` in place, at active positions; its filter sees zeros elsewhere.
    void run(Work& work, Map& x, const Active& active) const;
    // The same everywhere.
    void run(Work& work, Map& x) const {
        const Arena::Scope scope(work.arena);
        run(work, x, Active(work, x.rows, x.columns));
    }

    // Rows above and below a row that it sees.
    int reach() const { return context_.reach(); }

    // The same row by row. Lives in the arena's scope; needs no destructor.
    class Pass {
    public:
        Pass(const ResidualBlock& block, Work& work, Map& x, const Active& active);

        // Changes row `y`, if there is one; all rows up to y + reach are ready. From -reach on.
        void step(int y);

    private:
        void enter(int y);
        void finish(int y);

        const ResidualBlock& block_;
        Work& work_;
        Map& x_;
        const Active& active_;
        const Ring ring_;
        const int size_;
        int16_t *const first_, *const second_;
    };

private:
    void mix(Work& work, int16_t* row, int count, int16_t* u, int16_t* v) const;

    Dense enter_, leave_, expand_u_, expand_v_, project_;
    DepthwiseFilters context_;
    int stride_ = 0;
};

// `count` blocks called `name`.0, `name`.1 and so on.
class BlockRow {
public:
    BlockRow() = default;
    BlockRow(const Tensors& tensors, const std::string& name, int count, int channels, int side);

    void run(Work& work, Map& x, const Active& active) const;
    void run(Work& work, Map& x) const {
        const Arena::Scope scope(work.arena);
        run(work, x, Active(work, x.rows, x.columns));
    }

private:
    std::vector<ResidualBlock> blocks_;
};

// x + project(gate(trunk(x), mask(x))); the mask sees 9x9 positions.
class GatedAttention {
public:
    GatedAttention() = default;
    GatedAttention(const Tensors& tensors, const std::string& name, int channels, int side);

    void run(Work& work, Map& x) const;

private:
    Map mask(Work& work, const Map& x) const;

    ResidualBlock trunk_;
    Dense mask_enter_, mask_leave_, project_;
    DepthwiseFilters mask_near_, mask_far_;
    int half_ = 0;
};

// The deepest part of a non-linear path: attention, or one more block.
class Deepest {
public:
    Deepest() = default;
    Deepest(const Tensors& tensors, const std::string& name, int channels, int side,
            bool attention);

    void run(Work& work, Map& x) const {
        if (attends_) attention_.run(work, x);
        else block_.run(work, x);
    }

private:
    bool attends_ = false;
    GatedAttention attention_;
    ResidualBlock block_;
};

}  // namespace colorvid
