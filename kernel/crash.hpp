// What tambod does when it dies: it writes down which module ran.
#pragma once

#include <tambo/server.hpp>

namespace crash {

/// Installs handlers for the signals that a process brings upon itself: SIGSEGV, SIGABRT and their like. Each writes
/// the note and lets the signal do what it would have done before, so that core dumps and a sanitizer's report are
/// still to be had. The note is for Server::Options.
tambo::CrashNote& note_signals();

}   // namespace crash
