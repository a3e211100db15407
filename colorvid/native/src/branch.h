// One branch, luma or chroma: from planes to symbols and back; colorvid/models/branch.py.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "prior.h"
#include "rans.h"

namespace colorvid {

// Sizes of a branch, as `colorvid.config.BranchConfig` has them. C layout: Python fills it.
struct BranchSizes {
    int32_t planes, block;
    int32_t analysis_fine_width, analysis_coarse_width;    // 0: no analysis
    int32_t synthesis_fine_width, synthesis_coarse_width;  // 0: no synthesis
    int32_t analysis_blocks, analysis_fine, analysis_side;
    int32_t synthesis_blocks, synthesis_fine, synthesis_side;
    int32_t prior_width, prior_side, hyper, context_steps, predict_mean, attention;
    int32_t reference_planes, prior_condition, synthesis_condition;
    float rounding;
};

// What else the prior sees: writes a row of positions, `stride` elements apart.
class Condition {
public:
    virtual ~Condition() = default;
    virtual void row(Work& work, int y, int16_t* out, ptrdiff_t stride) const = 0;
    virtual int channels() const = 0;
};

// How many bits went to what, of one branch.
struct Information {
    double hyper = 0, latents = 0;
};

class Branch {
public:
    Branch() = default;
    // Throws WrongModel. `encoder`: with the networks of the encoder.
    Branch(const Tensors& tensors, const std::string& name, const BranchSizes& sizes, bool encoder);

    int latents() const { return sizes_.planes * sizes_.block * sizes_.block; }
    const BranchSizes& sizes() const { return sizes_; }
    // The factor that makes a decoded latent a feature, for each channel.
    const float* scale() const { return scale_.data(); }
    // What a bit is worth to the encoder, in squared sample values.
    float worth(int quality) const { return worth_[quality]; }

    // Reads all latents of a frame into `y`.
    void decode(Work& work, SymbolDecoder& decoder, int quality, const Condition* condition,
                Latents& y) const;
    // Chooses and writes symbols for the planes of `sources.source[0]`, and decodes them into `y`.
    // Further sources are what the analysis sees besides. `tries`: whether a sparse branch
    // codes once without writing, to leave out areas that are not worth their bits.
    Information encode(Work& work, SymbolEncoder& encoder, int quality, const Sources& sources,
                       const Condition* condition, bool tries, Latents& y) const;

    // Adds the linear path's picture of `y` to `planes`, within the range of features.
    void reconstruct(Work& work, const Latents& y, int quality, const Planes& planes) const {
        transform_.synthesise(work, y, gains(quality), planes);
    }
    // Corrects the planes of `sources.source[0]` by the non-linear synthesis, if there is one.
    void correct(Work& work, const Sources& sources, int quality) const {
        if (synthesises_) synthesis_.run(work, sources, quality);
    }

private:
    template <class Pass>
    void traverse(Work& work, Pass& pass, int quality, const Condition* condition,
                  Latents& y) const;
    // What an encoder writes.
    struct Wanted {
        int quality;
        const float* y;  // (rows, columns, latents), in steps
        uint8_t* flags;  // where to write; null: everywhere
        Map z;           // there
    };

    void try_areas(Work& work, const Condition* condition, Wanted& wanted, Latents& y) const;
    float* analyse(Work& work, const Sources& sources, int quality, const Latents& like) const;
    Map hyper_latents(Work& work, const float* y, const uint8_t* flags, const Latents& like) const;
    // Whether it codes nothing at hyper-latent positions all of whose symbols are zero.
    bool sparse() const { return !sizes_.predict_mean; }
    float quantise(float offset, const float* costs, float price) const;
    const int32_t* gains(int quality) const {
        return gains_.data() + static_cast<ptrdiff_t>(quality) * latents();
    }

    friend class Reading;
    friend class Writing;

    BranchSizes sizes_{};
    bool synthesises_ = false, analyses_ = false;
    std::vector<int32_t> gains_;  // (64, latents), 1..2^15
    Aligned<float> scale_;        // (latents)
    SymbolTables hyper_tables_, latent_tables_;
    BlockTransform transform_;
    Synthesis synthesis_;
    Prior prior_;
    // Of the encoder alone.
    std::vector<float> worth_;  // see worth()
    std::vector<float> costs_;  // (64, 32): bits by table and magnitude
    std::vector<int64_t> zero_worth_;  // (64): what a zero is worth, in 1/256 bit
    Analysis analysis_;
    HyperAnalysis hyper_analysis_;
};

}  // namespace colorvid
