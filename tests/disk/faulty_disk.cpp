#include "faulty_disk.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <stdexcept>
#include <utility>

namespace disk {

namespace {

constexpr auto name = "faulty";

std::string content_of(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// Not by truncating first: file systems take that for "replace it", and flush it for real.
void put(const std::string& content, const std::string& file) {
    std::fstream{file, std::ios::binary | std::ios::in | std::ios::out} << content;
    std::filesystem::resize_file(file, content.size());
}

}   // namespace

/// Memory for the real one follows.
struct FaultyDisk::File : sqlite3_file {
    FaultyDisk* disk;
    sqlite3_file* real;
    const std::string* name;   // null: nobody will look for it again

    static const sqlite3_io_methods methods;
    static File& of(sqlite3_file* file) { return *static_cast<File*>(file); }
    static sqlite3_file* real_of(sqlite3_file* file) { return of(file).real; }
};

/// The real one, except for what changes files.
struct FaultyDisk::Vfs : sqlite3_vfs {
    explicit Vfs(FaultyDisk& disk)
        : sqlite3_vfs(*sqlite3_vfs_find(nullptr)), disk_(disk), real_(sqlite3_vfs_find(nullptr)) {
        zName = name;
        pNext = nullptr;
        szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
        xOpen = open;
        xDelete = [](sqlite3_vfs* self, const char* file, int and_folder) {
            return static_cast<Vfs*>(self)->disk_.remove(file, and_folder);
        };
    }
    static int open(sqlite3_vfs* self, const char* file, sqlite3_file* place, int flags, int* out_flags);

    FaultyDisk& disk_;
    sqlite3_vfs* real_;
};

// Version 2: shared memory, but no pages that are mapped and so would change behind our back.
const sqlite3_io_methods FaultyDisk::File::methods{
    .iVersion = 2,
    .xClose = [](sqlite3_file* f) { return real_of(f)->pMethods->xClose(real_of(f)); },
    .xRead = [](sqlite3_file* f, void* to, int size,
                sqlite3_int64 at) { return real_of(f)->pMethods->xRead(real_of(f), to, size, at); },
    .xWrite = [](sqlite3_file* f, const void* from, int size,
                 sqlite3_int64 at) { return of(f).disk->write(of(f), from, size, at); },
    .xTruncate = [](sqlite3_file* f, sqlite3_int64 size) { return of(f).disk->truncate(of(f), size); },
    .xSync = [](sqlite3_file* f, int) { return of(f).disk->sync(of(f)); },
    .xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return real_of(f)->pMethods->xFileSize(real_of(f), size); },
    .xLock = [](sqlite3_file* f, int how) { return real_of(f)->pMethods->xLock(real_of(f), how); },
    .xUnlock = [](sqlite3_file* f, int how) { return real_of(f)->pMethods->xUnlock(real_of(f), how); },
    .xCheckReservedLock = [](sqlite3_file* f,
                             int* is) { return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is); },
    .xFileControl = [](sqlite3_file* f, int what,
                       void* with) { return real_of(f)->pMethods->xFileControl(real_of(f), what, with); },
    .xSectorSize = [](sqlite3_file* f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); },
    .xDeviceCharacteristics = [](sqlite3_file* f) { return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)); },
    .xShmMap = [](sqlite3_file* f, int region, int size, int extend,
                  void volatile** at) { return real_of(f)->pMethods->xShmMap(real_of(f), region, size, extend, at); },
    .xShmLock = [](sqlite3_file* f, int offset, int n,
                   int flags) { return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags); },
    .xShmBarrier = [](sqlite3_file* f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); },
    .xShmUnmap = [](sqlite3_file* f,
                    int and_remove) { return real_of(f)->pMethods->xShmUnmap(real_of(f), and_remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int FaultyDisk::Vfs::open(sqlite3_vfs* self, const char* file, sqlite3_file* place, int flags, int* out_flags) {
    auto& vfs = *static_cast<Vfs*>(self);
    auto* opened = new (static_cast<void*>(place)) File{};
    opened->real = reinterpret_cast<sqlite3_file*>(opened + 1);
    opened->disk = &vfs.disk_;
    const int code = vfs.real_->xOpen(vfs.real_, file, opened->real, flags, out_flags);
    if (code != SQLITE_OK) {
        opened->pMethods = nullptr;
        return code;
    }
    opened->pMethods = &File::methods;
    if (file == nullptr) return code;
    const std::lock_guard lock{vfs.disk_.mutex_};
    vfs.disk_.medium(file);
    opened->name = &vfs.disk_.media_.find(file)->first;
    return code;
}

FaultyDisk::FaultyDisk() : vfs_(std::make_unique<Vfs>(*this)) {
    if (sqlite3_vfs_register(vfs_.get(), 1) != SQLITE_OK) throw std::runtime_error{"the VFS was refused"};
}

FaultyDisk::~FaultyDisk() { sqlite3_vfs_unregister(vfs_.get()); }

void FaultyDisk::judge_by(Judge judge) {
    const std::lock_guard lock{mutex_};
    judge_ = std::move(judge);
}

void FaultyDisk::die_at(std::size_t number, std::size_t kept) {
    const std::lock_guard lock{mutex_};
    dies_at_ = number;
    kept_ = kept;
}

bool FaultyDisk::is_dead() const {
    const std::lock_guard lock{mutex_};
    return is_dead_;
}

std::size_t FaultyDisk::operations() const {
    const std::lock_guard lock{mutex_};
    return operations_;
}

/// What was there when it was first opened was there to stay.
FaultyDisk::Medium& FaultyDisk::medium(const std::string& file) {
    const auto [at, is_new] = media_.try_emplace(file);
    if (is_new) at->second.flushed = content_of(file);
    return at->second;
}

int FaultyDisk::decide(Operation::What what, const std::string& file, std::size_t bytes) {
    Judge judge;
    std::size_t number = 0;
    {
        const std::lock_guard lock{mutex_};
        number = ++operations_;
        if (number == dies_at_) is_dead_ = true;
        if (is_dead_) return SQLITE_IOERR;
        judge = judge_;
    }
    return judge ? judge({what, file, number, bytes}) : SQLITE_OK;   // without the lock: it may wait
}

int FaultyDisk::write(File& file, const void* data, int size, sqlite3_int64 offset) {
    if (file.name == nullptr) return file.real->pMethods->xWrite(file.real, data, size, offset);
    const bool was_dead = is_dead();
    const int code = decide(Operation::What::write, *file.name, static_cast<std::size_t>(size));
    const std::lock_guard lock{mutex_};
    if (is_dead_ && !was_dead) size = static_cast<int>(std::min<std::size_t>(kept_, static_cast<std::size_t>(size)));
    if (code != SQLITE_OK && (was_dead || !is_dead_ || size == 0)) return code;
    medium(*file.name)
        .pending.push_back({offset, {static_cast<const char*>(data), static_cast<std::size_t>(size)}, false});
    const int written = file.real->pMethods->xWrite(file.real, data, size, offset);
    return code != SQLITE_OK ? code : written;
}

int FaultyDisk::truncate(File& file, sqlite3_int64 size) {
    if (file.name == nullptr) return file.real->pMethods->xTruncate(file.real, size);
    if (const int code = decide(Operation::What::truncate, *file.name, 0); code != SQLITE_OK) return code;
    const std::lock_guard lock{mutex_};
    medium(*file.name).pending.push_back({size, {}, true});
    return file.real->pMethods->xTruncate(file.real, size);
}

int FaultyDisk::sync(File& file) {
    if (file.name == nullptr) return SQLITE_OK;
    if (const int code = decide(Operation::What::sync, *file.name, 0); code != SQLITE_OK) return code;
    const std::lock_guard lock{mutex_};
    auto& [flushed, pending] = medium(*file.name);
    for (const auto& change : pending) apply(change, flushed);
    pending.clear();
    return SQLITE_OK;
}

// What SQLite removes it does not need any more: whether that is flushed makes no difference.
int FaultyDisk::remove(const char* file, int and_folder) {
    if (const int code = decide(Operation::What::remove, file, 0); code != SQLITE_OK) return code;
    const std::lock_guard lock{mutex_};
    auto& [flushed, pending] = medium(file);
    flushed.clear();
    pending.clear();
    return vfs_->real_->xDelete(vfs_->real_, file, and_folder);
}

void FaultyDisk::apply(const Change& change, std::string& content) {
    const auto offset = static_cast<std::size_t>(change.offset);
    if (change.is_truncation) return content.resize(offset);
    content.resize(std::max(content.size(), offset + change.bytes.size()));
    content.replace(offset, change.bytes.size(), change.bytes);
}

void FaultyDisk::revive(Rest rest, std::uint64_t seed) {
    const std::lock_guard lock{mutex_};
    is_dead_ = false;
    dies_at_ = 0;
    std::mt19937_64 random{seed};
    for (auto& [file, medium] : media_) {
        if (rest == Rest::some) std::ranges::shuffle(medium.pending, random);
        for (auto& change : medium.pending) {
            if (rest == Rest::none || (rest == Rest::some && random() % 2 == 0)) continue;
            if (rest == Rest::some && random() % 4 == 0) change.bytes.resize(random() % (change.bytes.size() + 1));
            apply(change, medium.flushed);
        }
        medium.pending.clear();
        if (rest != Rest::all && std::filesystem::exists(file)) put(medium.flushed, file);
        std::filesystem::remove(std::filesystem::path{file + "-shm"});   // lives as long as the machine
    }
}

void FaultyDisk::forget() {
    const std::lock_guard lock{mutex_};
    media_.clear();
    operations_ = dies_at_ = 0;
    is_dead_ = false;
}

}   // namespace disk
