// The whole model, and the codec of the frames of a group of pictures: colorvid/models.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "branch.h"
#include "compensate.h"

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
          encodes(encoder) {
        tensors.check_all_used();
    }

    Network intra, inter;
    bool encodes;
};

// 8-bit planes Y, U and V of a picture: chroma has half the size, rounded up.
struct Picture {
    Picture(int height, int width)
        : height(height),
          width(width),
          y(size_t(height) * width),
          u(size_t((height + 1) / 2) * ((width + 1) / 2)),
          v(u.size()) {}

    Plane plane(int number) const {
        if (number == 0) return {y.data(), height, width};
        return {(number == 1 ? u : v).data(), (height + 1) / 2, (width + 1) / 2};
    }
    uint8_t* samples(int number) { return (number == 0 ? y : number == 1 ? u : v).data(); }

    int height, width;
    std::vector<uint8_t> y, u, v;
};

// How many bits of a frame went to what.
struct FrameInformation {
    Information luma, chroma;
};

// Frames of one group of pictures, in order; used by one thread at a time.
class Codec {
public:
    Codec(std::shared_ptr<const Model> model, int level, int height, int width);

    Work& work() { return work_; }
    const Model& model() const { return *model_; }
    // The last frame, as every decoder shows it.
    const Picture& picture() const { return picture_; }
    int height() const { return picture_.height; }
    int width() const { return picture_.width; }
    // Whether there is a frame that an inter frame can be predicted from.
    bool has_reference() const { return has_reference_; }
    void forget() { has_reference_ = false; }

    void decode_key(int quality, SymbolDecoder& decoder);
    void decode_inter(int quality, Field field, SymbolDecoder& decoder);
    FrameInformation encode_key(int quality, const Plane source[3], SymbolEncoder& encoder);
    FrameInformation encode_inter(int quality, Field field, const Plane source[3],
                                  SymbolEncoder& encoder);

private:
    template <class Side>
    void key(int quality, Side& side);
    template <class Side>
    void inter(int quality, Field field, Side& side);
    void predict(Field field);
    void show(const FeaturePlane& y, const Planes& uv);
    void keep_symbols(const Latents& latents, Aligned<int16_t>& symbols);

    std::shared_ptr<const Model> model_;
    Work work_;
    Picture picture_, prediction_;
    bool has_reference_ = false;
    int rows_, columns_;  // of blocks of 16x16 luma samples
    // Symbols of the last frame as features: (2 rows, 2 columns, channels).
    Aligned<int16_t> luma_symbols_, chroma_symbols_;
};

}  // namespace colorvid
