// SPDX-License-Identifier: BSD-3-Clause
#include "transforms.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace colorvid {

int Sources::channels() const {
    int channels = 0;
    for (int i = 0; i < count; ++i) channels += source[i].channels();
    return channels;
}

// Squares of a side that the compiler knows, so that a copy is one instruction.
template <int Side>
static void unshuffle_plane(const FeaturePlane& plane, int row, int columns, int16_t* out,
                            ptrdiff_t stride) {
    for (int i = 0; i < Side; ++i) {
        const int16_t* in = plane.row(row * Side + i);
        for (int x = 0; x < columns; ++x) {
            std::memcpy(out + x * stride + i * Side, in + x * Side, Side * sizeof(int16_t));
        }
    }
}

static void unshuffle_plane(const FeaturePlane& plane, int side, int row, int columns,
                            int16_t* out, ptrdiff_t stride) {
    switch (side) {
        case 2: return unshuffle_plane<2>(plane, row, columns, out, stride);
        case 4: return unshuffle_plane<4>(plane, row, columns, out, stride);
        case 8: return unshuffle_plane<8>(plane, row, columns, out, stride);
        default: return unshuffle_plane<16>(plane, row, columns, out, stride);
    }
}

void Sources::unshuffle(int row, int columns, int16_t* out, ptrdiff_t stride) const {
    for (int i = 0; i < count; ++i) {
        const Source& s = source[i];
        for (int p = 0; p < s.planes.count; ++p, out += s.side * s.side) {
            unshuffle_plane(s.planes.plane[p], s.side, row, columns, out, stride);
        }
    }
}

void shuffle_add(Work&, const int16_t* in, ptrdiff_t stride, int row, int side,
                 const Planes& planes) {
    for (int p = 0; p < planes.count; ++p, in += side * side) {
        const FeaturePlane& plane = planes.plane[p];
        for (int i = 0; i < side; ++i) {
            int16_t* out = plane.row(row * side + i);
            for (int x = 0; x < plane.columns / side; ++x) {
                const int16_t* square = in + x * stride + i * side;
                for (int j = 0; j < side; ++j) {
                    const int sum = out[x * side + j] + square[j];
                    out[x * side + j] =
                        static_cast<int16_t>(std::clamp(sum, -kFeatureLimit, kFeatureLimit));
                }
            }
        }
    }
}

// Block transform

static const int64_t kLargestLatent = 16 * 2047 + 8191;

BlockTransform::BlockTransform(const Tensors& tensors, const std::string& branch, int block,
                               int planes)
    : block_(block), planes_(planes) {
    const int size = block * block;
    const int16_t* basis =
        tensors.get(branch + ".transform.basis_int", Type::int16, {size, size}).data<int16_t>();
    const Tensor& gains =
        tensors.get(branch + ".gains.table", Type::int32, {kQualities, planes * size});
    int64_t largest_gain = 0;
    for (size_t i = 0; i < gains.count(); ++i) {
        largest_gain = std::max(largest_gain, std::abs(int64_t{gains.data<int32_t>()[i]}));
    }
    basis_ = Aligned<double>(static_cast<size_t>(size) * size);
    pairs_ = Aligned<int16_t>(static_cast<size_t>(size) * size);
    for (int s = 0; s < size; ++s) {
        int64_t sum = 0;
        for (int k = 0; k < size; ++k) {
            const int16_t value = basis[k * size + s];
            basis_[static_cast<size_t>(k) * size + s] = value;
            pairs_[2 * (static_cast<size_t>(s / 2) * size + k) + s % 2] = value;
            sum += std::abs(value);
        }
        const double largest = double(sum) * double(kLargestLatent) * double(largest_gain);
        if (largest > 0x1p53) refuse_sum(branch + ".transform", largest, 0x1p53);
    }
}

void BlockTransform::prove_analysis(const std::string& branch) const {
    const int size = block_ * block_;
    const double allowed = 0x1p31 - 1;
    for (int k = 0; k < size; ++k) {
        double sum = 0;
        for (int s = 0; s < size; ++s) sum += std::abs(basis_[static_cast<size_t>(k) * size + s]);
        const double largest = (sum + 32768.0) * kFeatureLimit;
        if (largest > allowed) {
            refuse_sum(branch + ".transform of the encoder", largest, allowed);
        }
    }
}

void BlockTransform::synthesise(Work& work, const Latents& latents, const int32_t* gains,
                                const Planes& planes) const {
    const Arena::Scope scope(work.arena);
    const int size = block_ * block_;
    double* sums = work.arena.take<double>(size);
    int16_t* features = work.arena.take<int16_t>(size);
    double products = 0;
    for (int y = 0; y < latents.rows; ++y) {
        const int32_t* latent = latents.row(y);
        for (int x = 0; x < latents.columns; ++x) {
            for (int p = 0; p < planes_; ++p, latent += size) {
                bool any = false;
                for (int k = 0; k < size; ++k) {
                    if (latent[k] == 0) continue;
                    if (!any) std::fill(sums, sums + size, 0.0);
                    any = true;
                    const double coefficient =
                        static_cast<double>(int64_t{latent[k]} * gains[p * size + k]);
                    work.kernels.add_basis(sums, basis_.data() + static_cast<ptrdiff_t>(k) * size,
                                           coefficient, size);
                    products += size;
                }
                if (!any) continue;
                for (int s = 0; s < size; ++s) {
                    const double feature =
                        std::clamp<double>(sums[s] * 0x1p-22, -kFeatureLimit, kFeatureLimit);
                    features[s] = static_cast<int16_t>(round_even(feature));
                }
                const FeaturePlane& plane = planes.plane[p];
                for (int i = 0; i < block_; ++i) {
                    int16_t* out = plane.row(y * block_ + i) + x * block_;
                    for (int j = 0; j < block_; ++j) {
                        const int sum = out[j] + features[i * block_ + j];
                        out[j] =
                            static_cast<int16_t>(std::clamp(sum, -kFeatureLimit, kFeatureLimit));
                    }
                }
            }
        }
    }
    work.count(products);
}

void BlockTransform::analyse(Work& work, const Planes& planes, int row, int32_t* sums) const {
    const Arena::Scope scope(work.arena);
    const int size = block_ * block_;
    const int columns = planes.plane[0].columns / block_;
    const ptrdiff_t stride = static_cast<ptrdiff_t>(planes_) * size;
    int16_t* blocks = work.arena.take<int16_t>(columns * stride);
    for (int p = 0; p < planes_; ++p) {
        unshuffle_plane(planes.plane[p], block_, row, columns, blocks + p * size, stride);
    }
    for (int i = 0; i < columns * planes_; ++i, blocks += size, sums += size) {
        work.kernels.project(blocks, pairs_.data(), size / 2, sums, size);
    }
    work.count(static_cast<double>(columns) * planes_ * size * size);
}

// Non-linear paths

Synthesis::Synthesis(const Tensors& tensors, const std::string& name, const PathSizes& sizes,
                     int planes, int stride, int conditions)
    : sizes_(sizes) {
    const int fine = sizes.fine_width, coarse = sizes.coarse_width;
    const int samples = planes * stride * stride;
    enter_ = Dense(tensors, name + ".enter", samples + conditions, fine);
    quality_ = QualityTable(tensors, name + ".quality", fine);
    first_ = BlockRow(tensors, name + ".first", 1, fine, sizes.side);
    down_ = Dense(Filters(tensors, name + ".down", {coarse, 4 * fine, 1, 1}, kFeatureLimit),
                  of_quarters(fine), in_order(coarse), kFeatureLimit);
    deep_ = BlockRow(tensors, name + ".deep", sizes.deep, coarse, sizes.side);
    coarse_ = Deepest(tensors, name + ".coarse", coarse, sizes.side, sizes.attention != 0);
    up_ = UpDense(tensors, name + ".up", coarse, fine);
    last_ = BlockRow(tensors, name + ".last", sizes.fine, fine, sizes.side);
    leave_ = Dense(tensors, name + ".leave", fine, samples);
}

// The rows of `enter` with the features of the quality: the start of both paths.
static Map enter_path(Work& work, const Sources& sources, const Dense& enter,
                      const QualityTable& table, int quality, int width) {
    const Source& first = sources.source[0];
    const int rows = first.planes.plane[0].rows / first.side;
    const int columns = first.planes.plane[0].columns / first.side;
    Map map = take_map(work, rows, columns, width);
    const Arena::Scope scope(work.arena);
    const ptrdiff_t stride = roomy(sources.channels());
    int16_t* seen = work.arena.take_zeros<int16_t>(columns * stride);
    for (int y = 0; y < rows; ++y) {
        sources.unshuffle(y, columns, seen, stride);
        enter.run(work, seen, stride, map.row(y), columns);
        table.add(work, quality, map.row(y), columns);
    }
    return map;
}

// Half the resolution.
static Map go_down(Work& work, const Map& fine, const Dense& down, int width) {
    Map coarse = take_map(work, fine.rows / 2, fine.columns / 2, width);
    const Arena::Scope scope(work.arena);
    int16_t* seen = work.arena.take<int16_t>(2 * fine.row_size());
    for (int y = 0; y < coarse.rows; ++y) {
        unshuffle_row(fine, y, 0, fine.columns / 2, seen);
        down.run(work, seen, 4 * fine.stride(), coarse.row(y), coarse.columns);
    }
    return coarse;
}

Map Synthesis::deepen(Work& work, const Map& fine) const {
    Map raised = take_map(work, fine.rows, fine.columns, fine.channels);
    const Arena::Scope scope(work.arena);
    Map coarse = go_down(work, fine, down_, sizes_.coarse_width);
    deep_.run(work, coarse);
    coarse_.run(work, coarse);
    for (int y = 0; y < coarse.rows; ++y) {
        up_.run(work, coarse, y, 0, coarse.columns, raised);
    }
    return raised;
}

void Synthesis::run(Work& work, const Sources& sources, int quality) const {
    const Arena::Scope scope(work.arena);
    Map fine = enter_path(work, sources, enter_, quality_, quality, sizes_.fine_width);
    first_.run(work, fine);
    const Map raised = deepen(work, fine);
    for (int y = 0; y < fine.rows; ++y) {
        work.kernels.add_features(fine.row(y), raised.row(y), static_cast<int>(fine.row_size()));
    }
    last_.run(work, fine);
    const Source& picture = sources.source[0];
    const ptrdiff_t stride = roomy(picture.channels());
    int16_t* row = work.arena.take<int16_t>(fine.columns * stride);
    for (int y = 0; y < fine.rows; ++y) {
        leave_.run(work, fine.row(y), fine.stride(), row, fine.columns);
        shuffle_add(work, row, stride, y, picture.side, picture.planes);
    }
}

Analysis::Analysis(const Tensors& tensors, const std::string& name, const PathSizes& sizes,
                   int inputs, int latents)
    : sizes_(sizes), latents_(latents) {
    const int fine = sizes.fine_width, coarse = sizes.coarse_width;
    enter_ = Dense(tensors, name + ".enter", inputs, fine);
    quality_ = QualityTable(tensors, name + ".quality", fine);
    fine_ = BlockRow(tensors, name + ".fine", sizes.fine, fine, sizes.side);
    down_ = Dense(Filters(tensors, name + ".down", {coarse, 4 * fine, 1, 1}, kFeatureLimit),
                  of_quarters(fine), in_order(coarse), kFeatureLimit);
    deep_ = BlockRow(tensors, name + ".deep", sizes.deep, coarse, sizes.side);
    coarse_ = Deepest(tensors, name + ".coarse", coarse, sizes.side, sizes.attention != 0);
    leave_ = Dense(tensors, name + ".leave", coarse, latents);
}

Map Analysis::run(Work& work, const Sources& sources, int quality) const {
    const Source& first = sources.source[0];
    const int block = 2 * first.side;
    Map result = take_map(work, first.planes.plane[0].rows / block,
                          first.planes.plane[0].columns / block, latents_);
    const Arena::Scope scope(work.arena);
    Map fine = enter_path(work, sources, enter_, quality_, quality, sizes_.fine_width);
    fine_.run(work, fine);
    Map coarse = go_down(work, fine, down_, sizes_.coarse_width);
    deep_.run(work, coarse);
    coarse_.run(work, coarse);
    for (int y = 0; y < result.rows; ++y) {
        leave_.run(work, coarse.row(y), coarse.stride(), result.row(y), result.columns);
    }
    return result;
}

}  // namespace colorvid
