// SPDX-License-Identifier: BSD-3-Clause
#include "blocks.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace colorvid {

ResidualBlock::ResidualBlock(const Tensors& tensors, const std::string& name, int channels,
                             int side)
    : enter_(tensors, name + ".enter", channels, channels),
      leave_(tensors, name + ".leave", channels, channels),
      project_(tensors, name + ".project", channels, channels),
      context_(tensors, name + ".context", channels, side),
      stride_(roomy(channels)) {
    const Filters expand(tensors, name + ".expand", {2 * channels, channels, 1, 1}, kFeatureLimit);
    Places u = in_order(channels), v = in_order(channels);
    for (int& output : v) output += channels;
    expand_u_ = Dense(expand, in_order(channels), u, kFeatureLimit);
    expand_v_ = Dense(expand, in_order(channels), v, kFeatureLimit);
}

ResidualBlock::Pass::Pass(const ResidualBlock& block, Work& work, Map& x, const Active& active)
    : block_(block),
      work_(work),
      x_(x),
      active_(active),
      ring_(work, block.context_.side(), x),
      size_(static_cast<int>(x.row_size())),
      first_(work.arena.take<int16_t>(size_)),
      second_(work.arena.take<int16_t>(size_)) {}

void ResidualBlock::Pass::step(int y) {
    const int entered = y + block_.context_.reach();
    if (entered >= 0 && entered < x_.rows) enter(entered);
    if (y >= 0 && y < x_.rows) finish(y);
}

void ResidualBlock::Pass::enter(int y) {
    int16_t* row = ring_.row(y);
    if (!active_.whole()) std::memset(row, 0, size_ * sizeof(int16_t));
    for (const Span& span : Spans{active_, y}) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(span.first) * block_.stride_;
        block_.enter_.run(work_, x_.row(y) + at, block_.stride_, row + at, span.count);
        work_.kernels.leaky(row + at, span.count * block_.stride_);
    }
}

void ResidualBlock::Pass::finish(int y) {
    const int16_t* window[Ring::kMostSide];
    for (const Span& span : Spans{active_, y}) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(span.first) * block_.stride_;
        ring_.around(y, x_.rows, window);
        for (int i = 0; i < block_.context_.side(); ++i) window[i] += at;
        block_.context_.run(work_, window, first_, span.count);
        block_.leave_.run(work_, first_, block_.stride_, second_, span.count);
        work_.kernels.add_features(x_.row(y) + at, second_, span.count * block_.stride_);
        block_.mix(work_, x_.row(y) + at, span.count, first_, second_);
    }
}

void ResidualBlock::run(Work& work, Map& x, const Active& active) const {
    const Arena::Scope scope(work.arena);
    Pass pass(*this, work, x, active);
    for (int y = -reach(); y < x.rows; ++y) pass.step(y);
}

// The second half of the block, with room for u and v.
void ResidualBlock::mix(Work& work, int16_t* row, int count, int16_t* u, int16_t* v) const {
    const int size = count * stride_;
    expand_u_.run(work, row, stride_, u, count);
    expand_v_.run(work, row, stride_, v, count);
    work.kernels.gate(u, v, u, size);
    project_.run(work, u, stride_, v, count);
    work.kernels.add_features(row, v, size);
}

BlockRow::BlockRow(const Tensors& tensors, const std::string& name, int count, int channels,
                   int side) {
    for (int i = 0; i < count; ++i) {
        blocks_.emplace_back(tensors, name + "." + std::to_string(i), channels, side);
    }
}

// Each block follows the one before it at the distance that it sees, so that rows stay in cache.
void BlockRow::run(Work& work, Map& x, const Active& active) const {
    const Arena::Scope scope(work.arena);
    auto* passes = work.arena.take<ResidualBlock::Pass>(blocks_.size());
    int behind = 0;
    for (size_t i = 0; i < blocks_.size(); ++i) {
        new (&passes[i]) ResidualBlock::Pass(blocks_[i], work, x, active);
        behind += blocks_[i].reach();
    }
    for (int row = 0; row < x.rows + behind; ++row) {
        int y = row;
        for (size_t i = 0; i < blocks_.size(); ++i) passes[i].step(y -= blocks_[i].reach());
    }
}

GatedAttention::GatedAttention(const Tensors& tensors, const std::string& name, int channels,
                               int side)
    : trunk_(tensors, name + ".trunk", channels, side),
      mask_enter_(tensors, name + ".mask_enter", channels, channels / 2),
      mask_leave_(tensors, name + ".mask_leave", channels / 2, channels),
      project_(tensors, name + ".project", channels, channels),
      mask_near_(tensors, name + ".mask_near", channels / 2, 5),
      mask_far_(tensors, name + ".mask_far", channels / 2, 5),
      half_(channels / 2) {}

// A depthwise convolution of a whole map into another one.
static void filter_map(Work& work, const DepthwiseFilters& filters, const Map& in, Map& out) {
    const Arena::Scope scope(work.arena);
    Ring ring(work, filters.side(), in);
    const int16_t* window[Ring::kMostSide];
    const int reach = filters.reach();
    for (int y = -reach; y < in.rows; ++y) {
        const int entered = y + reach;
        if (entered < in.rows) {
            std::memcpy(ring.row(entered), in.row(entered), in.row_size() * sizeof(int16_t));
        }
        if (y < 0) continue;
        ring.around(y, in.rows, window);
        filters.run(work, window, out.row(y), in.columns);
    }
}

// Features that become the mask, still to pass mask_leave.
Map GatedAttention::mask(Work& work, const Map& x) const {
    Map near = take_map(work, x.rows, x.columns, half_);
    Map far = take_map(work, x.rows, x.columns, half_);
    for (int y = 0; y < x.rows; ++y) {
        mask_enter_.run(work, x.row(y), x.stride(), far.row(y), x.columns);
    }
    filter_map(work, mask_near_, far, near);
    for (int y = 0; y < x.rows; ++y) {
        work.kernels.leaky(near.row(y), static_cast<int>(near.row_size()));
    }
    filter_map(work, mask_far_, near, far);
    return far;
}

void GatedAttention::run(Work& work, Map& x) const {
    const Arena::Scope scope(work.arena);
    const Map seen = mask(work, x);
    Map trunk = take_map(work, x.rows, x.columns, x.channels);
    std::memcpy(trunk.data, x.data, x.rows * x.row_size() * sizeof(int16_t));
    trunk_.run(work, trunk);
    const int size = static_cast<int>(x.row_size());
    int16_t* row = work.arena.take<int16_t>(size);
    for (int y = 0; y < x.rows; ++y) {
        mask_leave_.run(work, seen.row(y), seen.stride(), row, x.columns);
        work.kernels.gate(trunk.row(y), row, trunk.row(y), size);
        project_.run(work, trunk.row(y), x.stride(), row, x.columns);
        work.kernels.add_features(x.row(y), row, size);
    }
}

Deepest::Deepest(const Tensors& tensors, const std::string& name, int channels, int side,
                 bool attention)
    : attends_(attention) {
    if (attends_) attention_ = GatedAttention(tensors, name, channels, side);
    else block_ = ResidualBlock(tensors, name, channels, side);
}

}  // namespace colorvid
