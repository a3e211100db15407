// Entropy parameters of a branch, step by step: colorvid/nn/prior.py and colorvid/nn/steps.py.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "blocks.h"
#include "transforms.h"

namespace colorvid {

constexpr int kScales = 64;

// Latents that are decoded together: those of `channels` where channel + row + column has this
// parity and the row that one; -1 stands for any.
struct Step {
    std::string name;
    Places channels;
    int parity, row_parity;

    bool has_row(int y) const { return row_parity < 0 || y % 2 == row_parity; }
    // The first column of a row that it has in the channel, and the distance to the next one.
    int first_column(int channel, int y) const { return parity < 0 ? 0 : (channel + y + parity) % 2; }
    int column_step() const { return parity < 0 ? 1 : 2; }
};

// The steps of a branch; throws WrongModel if `count` is not 1, 2 or 5.
std::vector<Step> context_steps(int count, int block, int planes);

// What a step's head says of its latents. Where they lie on a checkerboard, each position needs the
// channels of one parity only.
class Head {
public:
    Head() = default;
    Head(const Tensors& tensors, const std::string& name, int width, const Step& step, int limit);

    // A span of row `y` of features to planes of the step's channels, `area` elements apart, each
    // at the same row; `room` holds a row of positions. `put` takes a value to what is stored.
    template <class T, class Put>
    void run(Work& work, const Map& features, int y, Span span, int16_t* room, T* planes,
             Put put) const;

private:
    struct Part {
        Dense dense;
        Places channels;  // places in the step's list
    };

    Part part_[2];  // for channels of even and of odd numbers; or all in the first
    int parity_ = -1;
};

// Sizes of a prior.
struct PriorSizes {
    int latents, width, hyper, conditions, side, predict_mean;
};

// Parameters of the latents of a step: for each of its channels a plane of the grid. Where it has
// no latents, the index is 0.
struct StepParameters {
    uint8_t* index;  // (channels of the step, rows, columns), 0..63
    int16_t* mean;   // the same, in 1/16 steps; null = 0
};

class Prior {
public:
    Prior() = default;
    Prior(const Tensors& tensors, const std::string& name, const PriorSizes& sizes,
          std::vector<Step> steps);

    const std::vector<Step>& steps() const { return steps_; }

    // Features before the first step, but for the condition and the trunk. `hyper` are integers
    // within +-127 at a quarter of the resolution, rounded up. What is not active, by a flag for
    // each hyper-latent (null: all are), stays undefined.
    Map begin(Work& work, const Map& hyper, const uint8_t* flags, int rows, int columns,
              int quality) const;
    // Adds what a row of positions of the condition says, `stride` elements apart.
    void add_condition(Work& work, const int16_t* condition, ptrdiff_t stride, int row,
                       const Active& active, Map& features) const;
    void run_trunk(Work& work, const Active& active, Map& features) const {
        trunk_.run(work, features, active);
    }

    // Features of step `number` from those of the step before; `scale` holds the factor of each
    // latent that makes it a feature.
    void advance(Work& work, int number, const Latents& known, const float* scale,
                 const Active& active, Map& features) const;
    // Parameters of the latents of step `number`, from its features; 0 where nothing is active.
    StepParameters parameters(Work& work, int number, const Map& features,
                              const Active& active) const;

private:
    PriorSizes sizes_{};
    std::vector<Step> steps_;
    UpDense up1_, up2_;
    ResidualBlock middle_;
    QualityTable quality_;
    Dense condition_;
    BlockRow trunk_;
    std::vector<Dense> context_;
    std::vector<Head> index_heads_, mean_heads_;
    std::vector<BlockRow> refine_;
};

// Latents to hyper-latents, of the encoder alone.
class HyperAnalysis {
public:
    HyperAnalysis() = default;
    HyperAnalysis(const Tensors& tensors, const std::string& name, int latents, int width,
                  int hyper);

    // Integers within +-127 at a quarter of the resolution, from a map of scaled latents; where a
    // flag (null: all are set) is 0 they are undefined, and latents further away do not count.
    Map run(Work& work, const Map& scaled, const uint8_t* flags) const;

private:
    int width_ = 0, hyper_ = 0;
    Dense enter_, down1_, down2_;
    ResidualBlock middle_;
};

}  // namespace colorvid
