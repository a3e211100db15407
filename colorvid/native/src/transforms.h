// Between planes and latents: block transform, and the non-linear paths; colorvid/nn/transforms.py.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "blocks.h"

namespace colorvid {

// Features of one plane, rows without gaps.
struct FeaturePlane {
    int16_t* data;
    int rows, columns;

    int16_t* row(int y) const { return data + static_cast<ptrdiff_t>(y) * columns; }
};

// The planes of a branch: one of luma, or two of chroma, of one size.
struct Planes {
    FeaturePlane plane[2];
    int count;
};

// Planes that a network sees, squares of `side` x `side` samples as channels.
struct Source {
    Planes planes;
    int side;

    int channels() const { return planes.count * side * side; }
};

// Sources that are seen together, one behind the other; at most four.
struct Sources {
    Source source[4];
    int count = 0;

    void add(const Planes& planes, int side) { source[count++] = {planes, side}; }
    int channels() const;
    // Writes row `row` of `columns` positions of all channels, `stride` elements apart.
    void unshuffle(int row, int columns, int16_t* out, ptrdiff_t stride) const;
};

// Writes a row of positions of `planes.count * side * side` channels to the samples they stand for,
// added to what is there.
void shuffle_add(Work& work, const int16_t* in, ptrdiff_t stride, int row, int side,
                 const Planes& planes);

// Sizes of a non-linear path; widths of 0: there is none.
struct PathSizes {
    int fine_width, coarse_width, deep, fine, side, attention;

    bool there() const { return fine_width > 0; }
};

// Latents of a branch in 1/16 steps: (rows, columns, channels).
struct Latents {
    int32_t* data;
    int rows, columns, channels;

    int32_t* row(int y) const {
        return data + static_cast<ptrdiff_t>(y) * columns * channels;
    }
};

class BlockTransform {
public:
    BlockTransform() = default;
    BlockTransform(const Tensors& tensors, const std::string& branch, int block, int planes);

    // Throws WrongModel unless the sums of analyse(), with what the non-linear path adds, stay below
    // 2^31.
    void prove_analysis(const std::string& branch) const;

    // Adds to `planes` the features of decoded latents; `gains` are those of the quality.
    void synthesise(Work& work, const Latents& latents, const int32_t* gains,
                    const Planes& planes) const;
    // Sums over the blocks of `planes`, integers in units of 2^-15 features: a row of positions.
    void analyse(Work& work, const Planes& planes, int row, int32_t* sums) const;

private:
    int block_ = 0, planes_ = 0;
    Aligned<double> basis_;   // (coefficients, samples)
    Aligned<int16_t> pairs_;  // (pairs of samples, coefficients, 2)
};

// The non-linear synthesis: what it adds to the picture of the linear path.
class Synthesis {
public:
    Synthesis() = default;
    Synthesis(const Tensors& tensors, const std::string& name, const PathSizes& sizes, int planes,
              int stride, int conditions);

    // Corrects the planes of `sources.source[0]`; the other ones are conditions.
    void run(Work& work, const Sources& sources, int quality) const;

private:
    Map deepen(Work& work, const Map& fine) const;

    PathSizes sizes_{};
    Dense enter_, down_, leave_;
    UpDense up_;
    QualityTable quality_;
    BlockRow first_, deep_, last_;
    Deepest coarse_;
};

// The non-linear analysis, of the encoder alone: features to add to the coefficients.
class Analysis {
public:
    Analysis() = default;
    Analysis(const Tensors& tensors, const std::string& name, const PathSizes& sizes, int inputs,
             int latents);

    // A map of the latents, in the arena.
    Map run(Work& work, const Sources& sources, int quality) const;

private:
    PathSizes sizes_{};
    int latents_ = 0;
    Dense enter_, down_, leave_;
    QualityTable quality_;
    BlockRow fine_, deep_;
    Deepest coarse_;
};

}  // namespace colorvid
