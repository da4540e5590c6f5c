// One mapped generation of a module's code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <tambo/abi.hpp>
#include <tambo/result.hpp>

namespace tambo {

/// A private copy of a shared object, checked before it is mapped, closed when the last lease goes. A lease is a
/// shared_ptr<Image>: shared by the loader and by every closure, task and instance whose code lives in it.
class Image {
public:
    /// Copies `built` into `run_dir` under a fresh name, checks the ELF file, maps it, compares the ABI tag.
    /// The error's text is one sentence that names the file and what is wrong with it.
    static Result<std::shared_ptr<Image>> open(const std::filesystem::path& built,
                                               const std::filesystem::path& run_dir);
    /// Code that is part of the program: nothing is mapped, nothing goes.
    static std::shared_ptr<Image> built_in(std::string name, std::string version, std::function<Module*()> make);
    ~Image();   ///< dlclose, and the copy is deleted; TAMBO_KEEP_IMAGES=1 keeps both
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;

    const Descriptor& descriptor() const noexcept { return *descriptor_; }
    bool is_built_in() const noexcept { return handle_ == nullptr; }
    Module* create() const { return make_ ? make_() : descriptor_->create(); }
    void destroy(Module* module) const { descriptor_->destroy(module); }
    std::uint64_t generation() const noexcept { return generation_; }
    const std::filesystem::path& copy() const noexcept { return copy_; }   ///< empty if built in; so is built()
    const std::filesystem::path& built() const noexcept { return built_; }
    std::uint64_t mapped_bytes() const noexcept { return mapped_bytes_; }   ///< code and data of this copy

    /// Looks into /proc/self/maps: is this copy still mapped? (after the Image is gone: was it unmapped?)
    static bool mapped(const std::filesystem::path& copy);

private:
    Image() = default;
    std::string map();   // dlopen and the entry; why not, or empty
    void* handle_ = nullptr;
    const Descriptor* descriptor_ = nullptr;
    std::uint64_t generation_ = 0, mapped_bytes_ = 0;
    std::filesystem::path copy_, built_;
    // Of what is built in.
    std::string name_, version_;
    std::function<Module*()> make_;
    std::unique_ptr<const Descriptor> own_;
};

/// Why the file is not a complete ELF shared object for this machine (dlopen would die by SIGBUS on a half-written
/// one); empty if it is.
std::string elf_complaint(const std::filesystem::path& file);
/// What would pin the image: unique symbols, thread-local destructors, the mark NODELETE; empty if nothing.
/// contrib/lint-module knows the same three, and man 7 tambo-modules says why.
std::string pinning_complaint(const std::filesystem::path& file);

}   // namespace tambo
