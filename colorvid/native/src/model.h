// The whole model, and the codec of the frames of a group of pictures: colorvid/models.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "branch.h"
#include "loop_filter.h"
#include "motion.h"

namespace colorvid {

constexpr int kIntraBlock = 16, kInterBlock = 8;  // luma samples to a latent, along an axis
constexpr int kMotionFeatures = 4;
constexpr int kMostSide = 8192;  // of a picture

// A codec of one kind of frames. C layout: Python fills it.
struct NetworkSizes {
    BranchSizes luma, chroma;
    int32_t chroma_from_luma, chroma_offset, context;
};

struct ModelSizes {
    NetworkSizes intra, inter;
};

struct Network {
    Network(const Tensors& tensors, const std::string& name, const NetworkSizes& sizes,
            bool encoder);

    Branch luma, chroma;
    bool chroma_from_luma, context;
    int chroma_offset;
};

// Never changes once made; any number of codecs may use it at the same time.
struct Model {
    // Throws WrongModel.
    Model(const Tensors& tensors, const ModelSizes& sizes, bool encoder)
        : intra(tensors, "intra", sizes.intra, encoder),
          inter(tensors, "inter", sizes.inter, encoder),
          luma_filter(tensors, "inter.filter.luma", kInterBlock),
          chroma_filter(tensors, "inter.filter.chroma", kInterBlock / 2),
          encodes(encoder) {
        tensors.check_all_used();
    }

    Network intra, inter;
    LoopFilter luma_filter, chroma_filter;
    bool encodes;
};

// Planes Y, U and V of a picture: chroma has half the size, rounded up.
template <class Sample>
struct Picture {
    Picture(int height, int width)
        : height(height),
          width(width),
          y(size_t(height) * width),
          u(size_t((height + 1) / 2) * ((width + 1) / 2)),
          v(u.size()) {}

    PlaneOf<Sample> plane(int number) const {
        if (number == 0) return {y.data(), height, width};
        return {(number == 1 ? u : v).data(), (height + 1) / 2, (width + 1) / 2};
    }
    Sample* samples(int number) { return (number == 0 ? y : number == 1 ? u : v).data(); }

    int height, width;
    std::vector<Sample> y, u, v;
};

// How many bits of a frame went to what.
struct FrameInformation {
    Information luma, chroma;
};

// What coding a frame needs on the way, with memory that is kept for the next frame of any codec;
// used by one thread at a time.
struct Workspace {
    explicit Workspace(int level) : work(level) {}

    template <class Sample>
    Picture<Sample>& prediction() {
        if constexpr (sizeof(Sample) == 1) return prediction8_;
        else return prediction10_;
    }

    Work work;
    SymbolEncoder encoder;

private:
    Picture<uint8_t> prediction8_{0, 0};
    Picture<uint16_t> prediction10_{0, 0};
};

// Frames of one group of pictures in decoding order. A frame is put into a slot, from which later
// frames are predicted. Threads may code frames at the same time, each in a workspace of its own,
// where no frame is put into a slot that another one of them needs.
class Codec {
public:
    virtual ~Codec() = default;

    const Model& model() const { return *model_; }
    int height() const { return height_; }
    int width() const { return width_; }
    int slots() const { return slot_count_; }
    // Whether the references of a frame are there.
    virtual bool has(const Links& links) const = 0;
    // Copies the frame that was put into a slot last, as every decoder shows it: planes Y, U and V.
    virtual void give(int slot, void* const planes[3]) const = 0;

    // Both give the `bits()` of the decoder between luma and chroma.
    virtual double decode_key(Workspace& space, int quality, int target,
                              SymbolDecoder& decoder) = 0;
    virtual double decode_inter(Workspace& space, int quality, const Links& links,
                                const Prediction& motion, SymbolDecoder& decoder) = 0;
    // Symbols go to the encoder of the workspace. `source`: planes Y, U and V. `tries`: see Branch.
    virtual FrameInformation encode_key(Workspace& space, int quality, int target,
                                        const void* const source[3]) = 0;
    virtual FrameInformation encode_inter(Workspace& space, int quality, const Links& links,
                                          const Prediction& motion, const void* const source[3],
                                          bool tries) = 0;

protected:
    Codec(std::shared_ptr<const Model> model, int height, int width, int slots)
        : model_(std::move(model)), height_(height), width_(width), slot_count_(slots) {}

    const std::shared_ptr<const Model> model_;
    const int height_, width_;

private:
    const int slot_count_;
};

// Samples are those of the file: 8 bits as uint8_t, 10 bits as uint16_t.
template <class Sample>
class SampleCodec : public Codec {
public:
    SampleCodec(std::shared_ptr<const Model> model, int height, int width, int slots);

    bool has(const Links& links) const override {
        return slots_[links.past].filled && (links.future < 0 || slots_[links.future].filled);
    }
    void give(int slot, void* const planes[3]) const override;
    double decode_key(Workspace& space, int quality, int target, SymbolDecoder& decoder) override;
    double decode_inter(Workspace& space, int quality, const Links& links, const Prediction& motion,
                        SymbolDecoder& decoder) override;
    FrameInformation encode_key(Workspace& space, int quality, int target,
                                const void* const source[3]) override;
    FrameInformation encode_inter(Workspace& space, int quality, const Links& links,
                                  const Prediction& motion, const void* const source[3],
                                  bool tries) override;

private:
    // A picture, and its symbols as features: (2 rows, 2 columns, channels).
    struct Slot {
        bool filled = false;
        Picture<Sample> picture{0, 0};
        Aligned<int16_t> luma_symbols, chroma_symbols;
    };

    template <class Side>
    void key(Workspace& space, int quality, int target, Side& side);
    template <class Side>
    void inter(Workspace& space, int quality, const Links& links, const Prediction& motion,
               Side& side);
    Slot& room(int target);
    void predict(Workspace& space, const Links& links, const Prediction& motion) const;
    template <class Side>
    void filter(Workspace& space, int quality, Picture<Sample>& picture, Side& side) const;
    static void show(const FeaturePlane& y, const Planes& uv, Picture<Sample>& picture);
    static void keep_symbols(const Latents& latents, Aligned<int16_t>& symbols);

    const int rows_, columns_;  // of blocks of 16x16 luma samples
    std::vector<Slot> slots_;
};

}  // namespace colorvid
