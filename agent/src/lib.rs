//! pullprobe
