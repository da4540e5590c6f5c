#include "module/image.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fstream>
#include <link.h>
#include <span>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <tambo/module.hpp>

namespace tambo {

namespace fs = std::filesystem;

namespace {

// A module is a few hundred kilobytes; a debug build with sanitizers some tens of megabytes.
constexpr std::uint64_t max_image_bytes = 1ULL << 30;
constexpr std::uint64_t max_symbols = 1ULL << 20;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;   // a sanitizer's own symbols pin every image
#else
constexpr bool is_sanitized = false;
#endif

/// One per process, since the dynamic linker remembers names per process: two servers must not meet in one.
std::uint64_t next_generation() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

/// A file read piece by piece; whatever lies outside of it is simply not there.
class ElfFile {
public:
    explicit ElfFile(const fs::path& file) : in_(file, std::ios::binary) {
        std::error_code ignored;
        const auto size = fs::file_size(file, ignored);
        if (!ignored) size_ = size;
    }

    bool is_open() const { return in_.is_open(); }
    std::uint64_t size() const noexcept { return size_; }
    bool holds(std::uint64_t offset, std::uint64_t bytes) const noexcept {
        return offset <= size_ && bytes <= size_ - offset;
    }

    template <class T>
    bool read(std::uint64_t offset, T& value) {
        return read_bytes(offset, reinterpret_cast<char*>(&value), sizeof value);
    }
    template <class T>
    bool read(std::uint64_t offset, std::uint64_t count, std::vector<T>& values) {
        if (count > size_ / sizeof(T) || !holds(offset, count * sizeof(T))) return false;
        values.resize(count);
        return read_bytes(offset, reinterpret_cast<char*>(values.data()), count * sizeof(T));
    }

private:
    bool read_bytes(std::uint64_t offset, char* to, std::uint64_t bytes) {
        if (!holds(offset, bytes)) return false;
        in_.clear();
        in_.seekg(static_cast<std::streamoff>(offset));
        in_.read(to, static_cast<std::streamsize>(bytes));
        return in_.gcount() == static_cast<std::streamsize>(bytes);
    }

    std::ifstream in_;
    std::uint64_t size_ = 0;
};

std::string header_complaint(const Elf64_Ehdr& header) {
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "is not an ELF file";
    if (header.e_ident[EI_CLASS] != ELFCLASS64) return "is not a 64-bit ELF file";
    if (header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64) return "was built for another machine";
    if (header.e_type != ET_DYN) return "is an ELF file, but not a shared object";
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0) return "has no usable program header";
    if (header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) return "has no usable section table";
    return {};
}

std::string segment_complaint(ElfFile& file, const Elf64_Ehdr& header) {
    std::vector<Elf64_Phdr> segments;
    if (!file.read(header.e_phoff, header.e_phnum, segments)) return "is cut short within its program header";
    bool is_loadable = false;
    bool is_dynamic = false;
    for (const auto& segment : segments) {
        if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC) continue;
        if (!file.holds(segment.p_offset, segment.p_filesz) || segment.p_filesz > segment.p_memsz)
            return "is cut short: a segment reaches beyond its end";
        (segment.p_type == PT_LOAD ? is_loadable : is_dynamic) = true;
    }
    if (!is_loadable || !is_dynamic) return "has nothing that could be loaded";
    return {};
}

/// The dynamic symbols with their names, as far as the section table leads to them.
struct Symbols {
    std::vector<Elf64_Sym> entries;
    std::vector<char> names;

    std::string_view name(const Elf64_Sym& symbol) const noexcept {
        if (symbol.st_name >= names.size()) return {};
        const auto* start = names.data() + symbol.st_name;
        return {start, ::strnlen(start, names.size() - symbol.st_name)};
    }
};

bool read_sections(ElfFile& file, std::vector<Elf64_Shdr>& sections) {
    Elf64_Ehdr header{};
    return file.read(0, header) && header_complaint(header).empty() &&
           file.read(header.e_shoff, header.e_shnum, sections);
}

bool read_symbols(ElfFile& file, const std::vector<Elf64_Shdr>& sections, Symbols& symbols) {
    for (const auto& section : sections) {
        if (section.sh_type != SHT_DYNSYM || section.sh_link >= sections.size()) continue;
        const auto count = section.sh_size / sizeof(Elf64_Sym);
        const auto& strings = sections[section.sh_link];
        return count <= max_symbols && file.read(section.sh_offset, count, symbols.entries) &&
               file.read(strings.sh_offset, strings.sh_size, symbols.names);
    }
    return false;
}

/// The linker was told to keep it (-z nodelete).
bool is_kept_on_purpose(ElfFile& file, const std::vector<Elf64_Shdr>& sections) {
    for (const auto& section : sections) {
        std::vector<Elf64_Dyn> entries;
        const auto count = section.sh_size / sizeof(Elf64_Dyn);
        if (section.sh_type != SHT_DYNAMIC || count > max_symbols || !file.read(section.sh_offset, count, entries))
            continue;
        for (const auto& entry : entries)
            if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_NODELETE) != 0) return true;
    }
    return false;
}

/// Keeps the libraries that only this module needs: their own statics must not die and be born with each generation.
void pin_libraries(void* handle) {
    link_map* map = nullptr;
    if (::dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) != 0 || map == nullptr) return;
    const char* names = nullptr;
    for (const auto* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry)
        if (entry->d_tag == DT_STRTAB)
            names =
                reinterpret_cast<const char*>(entry->d_un.d_ptr);   // NOLINT(performance-no-int-to-ptr): what ELF has
    if (names == nullptr) return;
    for (const auto* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag != DT_NEEDED) continue;
        // The handle is not closed: that is the pin.
        ::dlopen(names + entry->d_un.d_val, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

std::string descriptor_complaint(const Descriptor* descriptor) {
    if (descriptor == nullptr || descriptor->abi_tag == nullptr) return "describes itself by nothing";
    if (std::strcmp(descriptor->abi_tag, TAMBO_ABI_TAG) != 0)
        return fmt::format("was built for another tambo: it says \"{:.200}\", this one is \"{}\"", descriptor->abi_tag,
                           TAMBO_ABI_TAG);
    if (descriptor->name == nullptr || descriptor->version == nullptr || descriptor->create == nullptr ||
        descriptor->destroy == nullptr)
        return "has an incomplete descriptor";
    return {};
}

/// dlerror() names the private copy, which the operator never saw: only the reason is kept.
std::string dl_reason(const fs::path& copy) {
    const auto* text = ::dlerror();   // NOLINT(concurrency-mt-unsafe): glibc keeps it per thread
    std::string reason = text != nullptr ? text : "no reason given";
    const auto prefix = copy.string() + ": ";
    if (reason.starts_with(prefix)) reason.erase(0, prefix.size());
    return reason;
}

}   // namespace

std::string elf_complaint(const fs::path& path) {
    ElfFile file{path};
    if (!file.is_open()) return "cannot be read";
    if (file.size() > max_image_bytes) return "is too large for a module";
    Elf64_Ehdr header{};
    if (!file.read(0, header)) return "is not an ELF file";
    if (auto complaint = header_complaint(header); !complaint.empty()) return complaint;
    if (auto complaint = segment_complaint(file, header); !complaint.empty()) return complaint;
    if (!file.holds(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr)))
        return "is cut short: its section table reaches beyond its end";
    return {};
}

std::string pinning_complaint(const fs::path& path) {
    ElfFile file{path};
    Symbols symbols;
    std::vector<Elf64_Shdr> sections;
    if (!read_sections(file, sections) || !read_symbols(file, sections, symbols))
        return "has no readable table of dynamic symbols";
    if (is_kept_on_purpose(file, sections))
        return "would stay in memory for ever: it is marked NODELETE (drop -Wl,-z,nodelete)";
    for (const auto& symbol : symbols.entries) {
        const auto name = symbols.name(symbol);
        const bool is_defined = symbol.st_shndx != SHN_UNDEF;
        if (is_defined && ELF64_ST_BIND(symbol.st_info) == STB_GNU_UNIQUE)
            return fmt::format("would stay in memory for ever: {} is a unique symbol (build it with tambo_add_module)",
                               name);
        if (!is_defined && (name == "__cxa_thread_atexit" || name == "__cxa_thread_atexit_impl"))
            return "would stay in memory for ever: it has a thread_local with a destructor";
    }
    return {};
}

namespace {

/// Both as they are now. A build that writes in place while it is copied leaves a copy that never was a file.
bool are_alike(const fs::path& one, const fs::path& other) {
    std::ifstream a{one, std::ios::binary}, b{other, std::ios::binary};
    std::array<char, 65536> from_a{}, from_b{};
    while (a && b) {
        a.read(from_a.data(), from_a.size());
        b.read(from_b.data(), from_b.size());
        if (a.gcount() != b.gcount() ||
            std::memcmp(from_a.data(), from_b.data(), static_cast<std::size_t>(a.gcount())) != 0)
            return false;
    }
    return a.eof() && b.eof();
}

/// What the linker has mapped of this file.
std::uint64_t bytes_of(const fs::path& copy) {
    struct Search {
        std::string path;
        std::uint64_t bytes = 0;
    } search{copy.string()};
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* found) {
            auto& s = *static_cast<Search*>(found);
            if (s.path != info->dlpi_name) return 0;
            for (const auto& header : std::span{info->dlpi_phdr, info->dlpi_phnum})
                if (header.p_type == PT_LOAD) s.bytes += header.p_memsz;
            return 1;
        },
        &search);
    return search.bytes;
}

}   // namespace

Result<std::shared_ptr<Image>> Image::open(const fs::path& built, const fs::path& run_dir) {
    const auto refuse = [&built](const std::string& complaint) {
        return fail(Condition::not_acceptable, fmt::format("{} {}", built.string(), complaint));
    };
    std::error_code error;
    if (!fs::is_regular_file(built, error)) return refuse(error ? "does not exist" : "is not a file");
    fs::create_directories(run_dir, error);

    std::shared_ptr<Image> image{new Image};
    image->built_ = built;
    image->generation_ = next_generation();
    const auto folder = fs::canonical(run_dir, error);   // as /proc/self/maps will write it
    if (error) return refuse(fmt::format("cannot be copied to {}: {}", run_dir.string(), error.message()));
    image->copy_ = folder / fmt::format("{}.{}-{}.so", built.stem().string(), ::getpid(), image->generation_);
    // A copy: the linker finds a hard link or an old name again, and a build that writes in place would tear the code
    // away from under us.
    fs::copy_file(built, image->copy_, fs::copy_options::overwrite_existing, error);
    if (error) return refuse(fmt::format("cannot be copied to {}: {}", folder.string(), error.message()));

    if (!are_alike(built, image->copy_)) return refuse("is being written just now: try again when it is complete");

    // The copy is judged, not the original: that one may be growing still.
    if (auto complaint = elf_complaint(image->copy_); !complaint.empty()) return refuse(complaint);
    if (!is_sanitized)
        if (auto complaint = pinning_complaint(image->copy_); !complaint.empty()) return refuse(complaint);
    if (auto complaint = image->map(); !complaint.empty()) return refuse(complaint);
    return image;
}

std::shared_ptr<Image> Image::built_in(std::string name, std::string version, std::function<Module*()> make) {
    std::shared_ptr<Image> image{new Image};
    image->generation_ = next_generation();
    image->name_ = std::move(name);
    image->version_ = std::move(version);
    image->make_ = std::move(make);
    image->own_ = std::make_unique<Descriptor>(Descriptor{TAMBO_ABI_TAG, image->name_.c_str(), image->version_.c_str(),
                                                          0, nullptr, [](Module* m) { delete m; }});
    image->descriptor_ = image->own_.get();
    return image;
}

std::string Image::map() {
    handle_ = ::dlopen(copy_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) return "cannot be loaded: " + dl_reason(copy_);
    const auto entry = reinterpret_cast<const Descriptor* (*)()>(::dlsym(handle_, "tambo_module"));
    if (entry == nullptr) return "is not a tambo module: it has no tambo_module()";
    const auto* descriptor = entry();
    if (auto complaint = descriptor_complaint(descriptor); !complaint.empty()) return complaint;
    descriptor_ = descriptor;
    pin_libraries(handle_);
    mapped_bytes_ = bytes_of(copy_);
    return {};
}

Image::~Image() {
    // For debuggers and sanitizers, which want names for addresses after the code is gone.
    if (std::getenv("TAMBO_KEEP_IMAGES") != nullptr) return;   // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (handle_ != nullptr) ::dlclose(handle_);
    std::error_code ignored;
    if (!copy_.empty()) fs::remove(copy_, ignored);
}

bool Image::mapped(const fs::path& copy) {
    std::ifstream maps{"/proc/self/maps"};
    const auto path = copy.string();
    for (std::string line; std::getline(maps, line);) {
        const auto start = line.find('/');
        if (start == std::string::npos) continue;
        std::string_view found{line};
        found.remove_prefix(start);
        constexpr std::string_view deleted = " (deleted)";
        if (found.ends_with(deleted)) found.remove_suffix(deleted.size());
        if (found == path) return true;
    }
    return false;
}

}   // namespace tambo
