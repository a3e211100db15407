// SPDX-License-Identifier: BSD-3-Clause
#include "model.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "requantise.h"

namespace colorvid {

// Features to a sample value, as a shift: 8 of them make one of 8 bits.
template <class Sample>
static constexpr int kStepBits = 3 - kMoreBits<Sample>;
template <class Sample>
static constexpr int kMiddle = 128 << kMoreBits<Sample>;

Network::Network(const Tensors& tensors, const std::string& name, const NetworkSizes& sizes,
                 bool encoder)
    : luma(tensors, name + ".luma", sizes.luma, encoder),
      chroma(tensors, name + ".chroma", sizes.chroma, encoder),
      chroma_from_luma(sizes.chroma_from_luma != 0),
      context(sizes.context != 0),
      chroma_offset(std::clamp<int>(sizes.chroma_offset, -kQualities, kQualities)) {
    const bool intra = name == "intra";
    const int block = intra ? kIntraBlock : kInterBlock, half = block / 2;
    const int seen = context ? block * block + 2 * half * half + kMotionFeatures : 0;
    const int from_luma = chroma_from_luma ? block * block : 0;
    const int luma_seen = context ? seen + block * block : 0;
    const int chroma_seen = (context ? seen + 2 * half * half : 0) + from_luma;
    const BranchSizes &l = sizes.luma, &c = sizes.chroma;
    const int fine = intra ? 0 : block / 2 * (block / 2);
    const bool fits =
        l.planes == 1 && l.block == block && c.planes == 2 && c.block == half &&
        l.prior_condition == luma_seen && c.prior_condition == chroma_seen &&
        l.synthesis_condition == fine &&
        c.synthesis_condition == half * half + (intra ? 0 : 2 * (half / 2) * (half / 2)) &&
        l.reference_planes == (intra ? 0 : 1) && c.reference_planes == (intra ? 0 : 2) &&
        (intra || (!l.predict_mean && !c.predict_mean)) && !(intra && context);
    if (!fits) throw WrongModel(name + " has sizes that this version cannot run");
}

static int finer(int quality, int offset) {
    return std::clamp(quality + offset, 0, kQualities - 1);
}

template <class Sample>
SampleCodec<Sample>::SampleCodec(std::shared_ptr<const Model> model, int height, int width,
                                 int slots)
    : Codec(std::move(model), height, width, slots),
      rows_((height + kIntraBlock - 1) / kIntraBlock),
      columns_((width + kIntraBlock - 1) / kIntraBlock),
      slots_(slots) {}

// The slot of a frame, which has memory from its first use on.
template <class Sample>
typename SampleCodec<Sample>::Slot& SampleCodec<Sample>::room(int target) {
    Slot& slot = slots_[target];
    if (slot.picture.height == 0) {
        const size_t cells = size_t(4) * rows_ * columns_;
        slot.luma_symbols = Aligned<int16_t>(cells * model_->inter.luma.latents());
        slot.chroma_symbols = Aligned<int16_t>(cells * model_->inter.chroma.latents());
        slot.picture = Picture<Sample>(height_, width_);
    }
    return slot;
}

// Between samples and features

static FeaturePlane take_plane(Work& work, int rows, int columns) {
    return {work.arena.take<int16_t>(static_cast<size_t>(rows) * columns), rows, columns};
}

static Planes take_planes(Work& work, int count, int rows, int columns) {
    Planes planes{{}, count};
    for (int p = 0; p < count; ++p) planes.plane[p] = take_plane(work, rows, columns);
    return planes;
}

static void clear(const Planes& planes) {
    for (int p = 0; p < planes.count; ++p) {
        const FeaturePlane& plane = planes.plane[p];
        std::fill(plane.data, plane.row(plane.rows), int16_t{0});
    }
}

static Planes copy(Work& work, const Planes& planes) {
    Planes result = take_planes(work, planes.count, planes.plane[0].rows, planes.plane[0].columns);
    for (int p = 0; p < planes.count; ++p) {
        const FeaturePlane& plane = planes.plane[p];
        std::copy(plane.data, plane.row(plane.rows), result.plane[p].data);
    }
    return result;
}

// Samples as features; the last row and column repeat up to the size of `out`.
template <class Sample>
static void to_features(PlaneOf<Sample> in, const FeaturePlane& out) {
    for (int y = 0; y < out.rows; ++y) {
        const int seen = std::min(y, in.height - 1);
        const Sample* samples = in.samples + static_cast<ptrdiff_t>(seen) * in.width;
        int16_t* row = out.row(y);
        for (int x = 0; x < in.width; ++x) {
            row[x] = static_cast<int16_t>((samples[x] - kMiddle<Sample>) *
                                          (1 << kStepBits<Sample>));
        }
        std::fill(row + in.width, row + out.columns, row[in.width - 1]);
    }
}

// Features as samples, cropped to the picture.
template <class Sample>
static void to_samples(const FeaturePlane& in, PlaneOf<Sample> size, Sample* samples) {
    for (int y = 0; y < size.height; ++y, samples += size.width) {
        const int16_t* row = in.row(y);
        for (int x = 0; x < size.width; ++x) {
            const int rounded = round_shift(row[x], kStepBits<Sample>) + kMiddle<Sample>;
            samples[x] = static_cast<Sample>(std::clamp(rounded, 0, kPeak<Sample>));
        }
    }
}

// a - b, which differ by 2040 at most
static Planes difference(Work& work, const Planes& a, const Planes& b) {
    Planes result = copy(work, a);
    for (int p = 0; p < a.count; ++p) {
        const FeaturePlane& plane = result.plane[p];
        const ptrdiff_t size = static_cast<ptrdiff_t>(plane.rows) * plane.columns;
        for (ptrdiff_t i = 0; i < size; ++i) {
            plane.data[i] = static_cast<int16_t>(plane.data[i] - b.plane[p].data[i]);
        }
    }
    return result;
}

struct Features {
    Planes y, uv;
};

// The planes of a picture, padded to whole blocks.
template <class Sample>
static Features features_of(Work& work, const PlaneOf<Sample> source[3], int rows, int columns) {
    const Features features{take_planes(work, 1, rows * kIntraBlock, columns * kIntraBlock),
                            take_planes(work, 2, rows * kIntraBlock / 2,
                                        columns * kIntraBlock / 2)};
    to_features(source[0], features.y.plane[0]);
    for (int p = 0; p < 2; ++p) to_features(source[1 + p], features.uv.plane[p]);
    return features;
}

template <class Sample>
void SampleCodec<Sample>::show(const FeaturePlane& y, const Planes& uv, Picture<Sample>& picture) {
    to_samples(y, picture.plane(0), picture.samples(0));
    for (int p = 0; p < 2; ++p) {
        to_samples(uv.plane[p], picture.plane(1 + p), picture.samples(1 + p));
    }
}

// What the priors see

// The decoded luma latents as features.
class LumaLatents : public Condition {
public:
    LumaLatents(const Branch& luma, const Latents& latents) : luma_(luma), latents_(latents) {}

    int channels() const override { return latents_.channels; }
    void row(Work& work, int y, int16_t* out, ptrdiff_t stride) const override {
        const int32_t* latent = latents_.row(y);
        for (int x = 0; x < latents_.columns; ++x, latent += latents_.channels) {
            work.kernels.scale_latents(latent, luma_.scale(), out + x * stride, latents_.channels);
        }
    }

private:
    const Branch& luma_;
    const Latents& latents_;
};

// What an inter frame knows before its symbols: prediction, symbols of the nearer reference, motion;
// then, for chroma, the luma latents. Each part may be missing.
class Known : public Condition {
public:
    Known(const Network& network, const Features& prediction, const int16_t* symbols,
          int symbol_channels, const Prediction& motion, const LumaLatents* luma)
        : context_(network.context),
          symbols_(symbols),
          symbol_channels_(symbol_channels),
          motion_(motion),
          luma_(network.chroma_from_luma ? luma : nullptr) {
        sources_.add(prediction.y, kInterBlock);
        sources_.add(prediction.uv, kInterBlock / 2);
        columns_ = prediction.y.plane[0].columns / kInterBlock;
    }

    int channels() const override {
        const int known = sources_.channels() + symbol_channels_ + kMotionFeatures;
        return (context_ ? known : 0) + (luma_ ? luma_->channels() : 0);
    }
    void row(Work& work, int y, int16_t* out, ptrdiff_t stride) const override {
        if (context_) {
            sources_.unshuffle(y, columns_, out, stride);
            out += sources_.channels();
            const ptrdiff_t first = static_cast<ptrdiff_t>(y) * columns_ * symbol_channels_;
            for (int x = 0; x < columns_; ++x) {
                std::memcpy(out + x * stride,
                            symbols_ + first + static_cast<ptrdiff_t>(x) * symbol_channels_,
                            symbol_channels_ * sizeof(int16_t));
            }
            out += symbol_channels_;
            for (int x = 0; x < columns_; ++x) motion(y, x, out + x * stride);
            out += kMotionFeatures;
        }
        if (luma_) luma_->row(work, y, out, stride);
    }

private:
    // How far the block's vectors are from those to the left, to the right, above and below.
    void motion(int y, int x, int16_t* out) const {
        out[0] = unevenness(y, x, y, x - 1);
        out[1] = unevenness(y, x, y, x + 1);
        out[2] = unevenness(y, x, y - 1, x);
        out[3] = unevenness(y, x, y + 1, x);
    }
    int16_t unevenness(int y, int x, int other_y, int other_x) const {
        if (!inside(y, x) || !inside(other_y, other_x)) return 0;
        int most = distance(motion_.past, y, x, other_y, other_x);
        if (motion_.uses) {
            most = std::max(most, distance(motion_.future, y, x, other_y, other_x));
        }
        return static_cast<int16_t>(8 * std::min(255, most));
    }
    bool inside(int y, int x) const {
        return y >= 0 && y < motion_.past.rows && x >= 0 && x < motion_.past.columns;
    }
    static int distance(Field field, int y, int x, int other_y, int other_x) {
        const int16_t* a = field.vectors + 2 * (static_cast<ptrdiff_t>(y) * field.columns + x);
        const int16_t* b =
            field.vectors + 2 * (static_cast<ptrdiff_t>(other_y) * field.columns + other_x);
        return std::max(std::abs(a[0] - b[0]), std::abs(a[1] - b[1]));
    }

    bool context_;
    Sources sources_;
    int columns_;
    const int16_t* symbols_;
    int symbol_channels_;
    const Prediction& motion_;
    const LumaLatents* luma_;
};

// A loop filter on planes `first` .. `last` of a frame.
template <class Sample>
struct Filtering {
    const LoopFilter& filter;
    const Branch& branch;
    int quality, fine;  // of the frame, and of the branch
    int first, last;
    Picture<Sample>& picture;
    const Picture<Sample>& prediction;

    int rows() const { return areas(picture.plane(first).height); }
    int columns() const { return areas(picture.plane(first).width); }
    int areas(int side) const { return (side + filter.area() - 1) / filter.area(); }
    // In place, where flags are set.
    void run(Work& work, const uint8_t* flags) const {
        for (int p = first; p <= last; ++p) {
            filter.run(work, picture.plane(p), prediction.plane(p), quality, flags,
                       picture.samples(p));
        }
    }
};

// Which way the symbols go

// A decoder reads them.
class Receiver {
public:
    explicit Receiver(SymbolDecoder& decoder) : decoder_(decoder) {}

    void take_source(Work&, int, int, const Features*) {}
    void luma(Work& work, const Branch& branch, int quality, const Condition* condition,
              Latents& y) {
        branch.decode(work, decoder_, quality, condition, y);
    }
    void chroma(Work& work, const Branch& branch, int quality, const Condition* condition,
                Latents& y) {
        between_ = decoder_.bits();
        branch.decode(work, decoder_, quality, condition, y);
    }
    template <class Sample>
    void filter(Work& work, const Filtering<Sample>& task) {
        if (decoder_.empty()) return;
        const Arena::Scope scope(work.arena);
        const int rows = task.rows(), columns = task.columns();
        uint8_t* flags = work.arena.take<uint8_t>(static_cast<size_t>(rows) * columns);
        const bool any = code_flags(flags, rows, columns,
                                    [&](const SymbolTables& tables, int row, int) {
                                        return decoder_.read(tables, row);
                                    });
        if (any) task.run(work, flags);
    }
    // What the decoder had read when it came to chroma.
    double between() const { return between_; }

private:
    SymbolDecoder& decoder_;
    double between_ = 0;
};

// An encoder chooses them.
template <class Sample>
class Sender {
public:
    Sender(SymbolEncoder& encoder, const PlaneOf<Sample> source[3], bool tries)
        : encoder_(encoder), source_(source), tries_(tries) {}

    FrameInformation information;

    // The picture, or its difference from the prediction.
    void take_source(Work& work, int rows, int columns, const Features* prediction) {
        const Work::In in(work, Stage::transform);
        seen_ = features_of(work, source_, rows, columns);
        if (!prediction) return;
        predicted_ = *prediction;
        seen_ = {difference(work, seen_.y, predicted_.y), difference(work, seen_.uv, predicted_.uv)};
    }
    void luma(Work& work, const Branch& branch, int quality, const Condition* condition,
              Latents& y) {
        information.luma = send(work, branch, quality, {seen_.y, predicted_.y}, condition, y);
    }
    void chroma(Work& work, const Branch& branch, int quality, const Condition* condition,
                Latents& y) {
        information.chroma = send(work, branch, quality, {seen_.uv, predicted_.uv}, condition, y);
    }
    void filter(Work& work, const Filtering<Sample>& task) {
        const Arena::Scope scope(work.arena);
        const int rows = task.rows(), columns = task.columns();
        int64_t* gains = work.arena.take_zeros<int64_t>(static_cast<size_t>(rows) * columns);
        Sample* filtered[3];
        for (int p = task.first; p <= task.last; ++p) {
            const PlaneOf<Sample> decoded = task.picture.plane(p);
            const size_t size = static_cast<size_t>(decoded.height) * decoded.width;
            filtered[p] = work.arena.take<Sample>(size);
            task.filter.run(work, decoded, task.prediction.plane(p), task.quality, nullptr,
                            filtered[p]);
            add_gains(source_[p], decoded.samples, filtered[p], task.filter.area(), gains);
        }
        uint8_t* flags = work.arena.take<uint8_t>(static_cast<size_t>(rows) * columns);
        const double price = task.branch.worth(task.fine) * (1 << 2 * kMoreBits<Sample>);
        choose_areas(work, gains, rows, columns, price, flags);
        Information& bits = task.first == 0 ? information.luma : information.chroma;
        code_flags(flags, rows, columns, [&](const SymbolTables& tables, int row, int symbol) {
            encoder_.write(tables, row, symbol);
            bits.hyper += tables.bits(row, symbol);
            return symbol;
        });
        for (int p = task.first; p <= task.last; ++p) {
            copy_areas(filtered[p], flags, task.filter.area(), task.picture.plane(p),
                       task.picture.samples(p));
        }
    }

private:
    struct Pair {
        Planes seen, predicted;
    };

    Information send(Work& work, const Branch& branch, int quality, const Pair& planes,
                     const Condition* condition, Latents& y) {
        const int side = branch.sizes().block / 2;
        Sources sources;
        sources.add(planes.seen, side);
        if (planes.predicted.count) sources.add(planes.predicted, side);
        return branch.encode(work, encoder_, quality, sources, condition, tries_, y);
    }

    SymbolEncoder& encoder_;
    const PlaneOf<Sample>* source_;
    const bool tries_;
    Features seen_{}, predicted_{};
};

// Frames

static Latents take_latents(Work& work, int rows, int columns, const Branch& branch) {
    const size_t size = static_cast<size_t>(rows) * columns * branch.latents();
    return {work.arena.take<int32_t>(size), rows, columns, branch.latents()};
}

template <class Sample>
template <class Side>
void SampleCodec<Sample>::key(Workspace& space, int quality, int target, Side& side) {
    Work& work = space.work;
    work.start();
    Slot& slot = room(target);
    const Arena::Scope scope(work.arena);
    const Work::In all(work, Stage::other);
    const Network& network = model_->intra;
    const int fine = finer(quality, network.chroma_offset);
    side.take_source(work, rows_, columns_, nullptr);
    Latents luma = take_latents(work, rows_, columns_, network.luma);
    side.luma(work, network.luma, quality, nullptr, luma);
    const LumaLatents condition(network.luma, luma);
    Latents chroma = take_latents(work, rows_, columns_, network.chroma);
    side.chroma(work, network.chroma, fine, network.chroma_from_luma ? &condition : nullptr,
                chroma);

    const int height = rows_ * kIntraBlock, width = columns_ * kIntraBlock;
    const Planes y = take_planes(work, 1, height, width);
    const Planes uv = take_planes(work, 2, height / 2, width / 2);
    clear(y);
    clear(uv);
    {
        const Work::In in(work, Stage::transform);
        network.luma.reconstruct(work, luma, quality, y);
        network.chroma.reconstruct(work, chroma, fine, uv);
    }
    const Work::In in(work, Stage::synthesis);
    Sources seen;
    seen.add(y, kIntraBlock / 2);
    network.luma.correct(work, seen, quality);
    Sources both;
    both.add(uv, kIntraBlock / 4);
    both.add(y, kIntraBlock / 2);
    network.chroma.correct(work, both, fine);
    show(y.plane[0], uv, slot.picture);
    const size_t cells = size_t(4) * rows_ * columns_;
    std::fill_n(slot.luma_symbols.data(), cells * model_->inter.luma.latents(), int16_t{0});
    std::fill_n(slot.chroma_symbols.data(), cells * model_->inter.chroma.latents(), int16_t{0});
    slot.filled = true;
}

template <class Sample>
void SampleCodec<Sample>::predict(Workspace& space, const Links& links,
                                  const Prediction& motion) const {
    const Work::In in(space.work, Stage::prediction);
    Picture<Sample>& prediction = space.prediction<Sample>();
    if (prediction.height != height_ || prediction.width != width_) {
        prediction = Picture<Sample>(height_, width_);
    }
    const Picture<Sample>& past = slots_[links.past].picture;
    const Picture<Sample>& future = slots_[links.future < 0 ? links.past : links.future].picture;
    const Kernels& kernels = space.work.kernels;
    for (int p = 0; p < 3; ++p) {
        const References<Sample> references{past.plane(p), future.plane(p)};
        if (p == 0) compensate_luma(kernels, references, motion, prediction.samples(p));
        else compensate_chroma(kernels, references, motion, prediction.samples(p));
    }
}

// A latent of an inter frame is 16 times its symbol.
template <class Sample>
void SampleCodec<Sample>::keep_symbols(const Latents& latents, Aligned<int16_t>& symbols) {
    const ptrdiff_t size =
        static_cast<ptrdiff_t>(latents.rows) * latents.columns * latents.channels;
    for (ptrdiff_t i = 0; i < size; ++i) {
        symbols[i] = static_cast<int16_t>(
            std::clamp(16 * latents.data[i], -kFeatureLimit, kFeatureLimit));
    }
}

template <class Sample>
template <class Side>
void SampleCodec<Sample>::filter(Workspace& space, int quality, Picture<Sample>& picture,
                                 Side& side) const {
    const Work::In in(space.work, Stage::filter);
    const Network& network = model_->inter;
    const int fine = finer(quality, network.chroma_offset);
    const Picture<Sample>& predicted = space.prediction<Sample>();
    side.filter(space.work, Filtering<Sample>{model_->luma_filter, network.luma, quality, quality,
                                              0, 0, picture, predicted});
    side.filter(space.work, Filtering<Sample>{model_->chroma_filter, network.chroma, quality, fine,
                                              1, 2, picture, predicted});
}

template <class Sample>
template <class Side>
void SampleCodec<Sample>::inter(Workspace& space, int quality, const Links& links,
                                const Prediction& motion, Side& side) {
    Work& work = space.work;
    work.start();
    const bool later = links.future >= 0 && links.future_distance > 0 &&
                       links.future_distance < links.past_distance;
    const Slot& nearer = slots_[later ? links.future : links.past];
    Slot& slot = room(links.target);
    const Arena::Scope scope(work.arena);
    const Work::In all(work, Stage::other);
    predict(space, links, motion);
    const Network& network = model_->inter;
    const int fine = finer(quality, network.chroma_offset);
    const Picture<Sample>& predicted = space.prediction<Sample>();
    const PlaneOf<Sample> planes[3] = {predicted.plane(0), predicted.plane(1), predicted.plane(2)};
    const Features prediction = features_of(work, planes, rows_, columns_);
    side.take_source(work, rows_, columns_, &prediction);

    Latents luma = take_latents(work, 2 * rows_, 2 * columns_, network.luma);
    const LumaLatents decoded(network.luma, luma);
    const Known known_luma(network, prediction, nearer.luma_symbols.data(),
                           network.luma.latents(), motion, nullptr);
    side.luma(work, network.luma, quality, known_luma.channels() ? &known_luma : nullptr, luma);
    Latents chroma = take_latents(work, 2 * rows_, 2 * columns_, network.chroma);
    const Known known_chroma(network, prediction, nearer.chroma_symbols.data(),
                             network.chroma.latents(), motion, &decoded);
    side.chroma(work, network.chroma, fine, known_chroma.channels() ? &known_chroma : nullptr,
                chroma);

    const Planes y = copy(work, prediction.y), uv = copy(work, prediction.uv);
    {
        const Work::In in(work, Stage::transform);
        network.luma.reconstruct(work, luma, quality, y);
        network.chroma.reconstruct(work, chroma, fine, uv);
    }
    const Work::In in(work, Stage::synthesis);
    Sources seen;
    seen.add(y, kInterBlock / 2);
    seen.add(prediction.y, kInterBlock / 2);
    network.luma.correct(work, seen, quality);
    Sources both;
    both.add(uv, kInterBlock / 4);
    both.add(prediction.uv, kInterBlock / 4);
    both.add(y, kInterBlock / 2);
    network.chroma.correct(work, both, fine);
    show(y.plane[0], uv, slot.picture);
    filter(space, quality, slot.picture, side);
    keep_symbols(luma, slot.luma_symbols);
    keep_symbols(chroma, slot.chroma_symbols);
    slot.filled = true;
}

template <class Sample>
double SampleCodec<Sample>::decode_key(Workspace& space, int quality, int target,
                                       SymbolDecoder& decoder) {
    Receiver side(decoder);
    key(space, quality, target, side);
    return side.between();
}

template <class Sample>
double SampleCodec<Sample>::decode_inter(Workspace& space, int quality, const Links& links,
                                         const Prediction& motion, SymbolDecoder& decoder) {
    Receiver side(decoder);
    inter(space, quality, links, motion, side);
    return side.between();
}

// The planes of a picture that comes from outside.
template <class Sample>
struct Original {
    Original(const void* const samples[3], int height, int width) {
        const int rows = (height + 1) / 2, columns = (width + 1) / 2;
        for (int p = 0; p < 3; ++p) {
            planes[p] = {static_cast<const Sample*>(samples[p]), p ? rows : height,
                         p ? columns : width};
        }
    }

    PlaneOf<Sample> planes[3];
};

template <class Sample>
FrameInformation SampleCodec<Sample>::encode_key(Workspace& space, int quality, int target,
                                                 const void* const source[3]) {
    const Original<Sample> picture(source, height_, width_);
    Sender<Sample> side(space.encoder, picture.planes, false);
    key(space, quality, target, side);
    return side.information;
}

template <class Sample>
FrameInformation SampleCodec<Sample>::encode_inter(Workspace& space, int quality,
                                                   const Links& links, const Prediction& motion,
                                                   const void* const source[3], bool tries) {
    const Original<Sample> picture(source, height_, width_);
    Sender<Sample> side(space.encoder, picture.planes, tries);
    inter(space, quality, links, motion, side);
    return side.information;
}

template <class Sample>
void SampleCodec<Sample>::give(int slot, void* const planes[3]) const {
    const Picture<Sample>& picture = slots_[slot].picture;
    int number = 0;
    for (const std::vector<Sample>* plane : {&picture.y, &picture.u, &picture.v}) {
        std::memcpy(planes[number++], plane->data(), plane->size() * sizeof(Sample));
    }
}

template class SampleCodec<uint8_t>;
template class SampleCodec<uint16_t>;

}  // namespace colorvid
