// Memory for what a frame needs on the way: taken in order, given back in reverse, kept for the
// next frame, so that nothing is allocated once frames of one size follow each other.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace colorvid {

constexpr size_t kAlignment = 64;  // of a cache line, and of the widest vectors

// Elements aligned for vectors, of value 0 at the start.
template <class T>
class Aligned {
public:
    Aligned() = default;
    explicit Aligned(size_t count) : room_(count * sizeof(T) + kAlignment) {
        const size_t address = reinterpret_cast<size_t>(room_.data());
        first_ = reinterpret_cast<T*>(room_.data() + (kAlignment - address % kAlignment));
    }
    Aligned(Aligned&&) = default;
    Aligned& operator=(Aligned&&) = default;
    Aligned(const Aligned&) = delete;
    Aligned& operator=(const Aligned&) = delete;

    T* data() { return first_; }
    const T* data() const { return first_; }
    T& operator[](size_t place) { return first_[place]; }
    const T& operator[](size_t place) const { return first_[place]; }

private:
    std::vector<unsigned char> room_;  // its buffer moves with it
    T* first_ = nullptr;
};

class Arena {
public:
    // `count` elements, not initialised, aligned to 64 bytes; throws std::bad_alloc.
    template <class T>
    T* take(size_t count) {
        static_assert(alignof(T) <= kAlignment);
        if (count > SIZE_MAX / sizeof(T) - kAlignment) throw std::bad_alloc();
        const size_t size = (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
        return reinterpret_cast<T*>(place(size));
    }
    // The same, all 0.
    template <class T>
    T* take_zeros(size_t count) {
        T* elements = take<T>(count);
        std::memset(static_cast<void*>(elements), 0, count * sizeof(T));
        return elements;
    }

    // Gives back, at its end, all that was taken since its start.
    class Scope {
    public:
        explicit Scope(Arena& arena)
            : arena_(arena), chunk_(arena.chunk_), used_(arena.used_) {}
        ~Scope() {
            arena_.chunk_ = chunk_;
            arena_.used_ = used_;
        }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Arena& arena_;
        size_t chunk_, used_;
    };

private:
    static constexpr size_t kLeast = size_t{1} << 20;

    unsigned char* place(size_t size) {
        while (chunk_ < chunks_.size() && used_ + size > sizes_[chunk_]) {
            ++chunk_;
            used_ = 0;
        }
        if (chunk_ == chunks_.size()) {
            const size_t all = size > kLeast ? size : kLeast;
            sizes_.reserve(sizes_.size() + 1);
            chunks_.emplace_back(all + kAlignment);
            sizes_.push_back(all);
        }
        unsigned char* start = chunks_[chunk_].data() + used_;
        used_ += size;
        return start;
    }

    // Pages that are never touched cost no memory.
    class Chunk {
    public:
        explicit Chunk(size_t size) : room_(new unsigned char[size]) {}
        unsigned char* data() const {
            const size_t address = reinterpret_cast<size_t>(room_.get());
            return room_.get() + (kAlignment - address % kAlignment);
        }

    private:
        std::unique_ptr<unsigned char[]> room_;
    };

    std::vector<Chunk> chunks_;
    std::vector<size_t> sizes_;
    size_t chunk_ = 0, used_ = 0;
};

}  // namespace colorvid
