-- What was told of schedules: one row for each schedule of a plugin on a server.
CREATE TABLE cron_told (
    plugin   text COLLATE "C" NOT NULL,
    guild    bigint           NOT NULL, -- Discord's id, its 64 bits read as signed
    schedule text COLLATE "C" NOT NULL, -- its name
    minute   bigint           NOT NULL, -- no minute up to this one is told any more; minutes since 1970
    told_at  bigint,                    -- the latest minute that was told; null: none yet
    PRIMARY KEY (plugin, guild, schedule),
    FOREIGN KEY (plugin, guild) REFERENCES installations (plugin, guild) ON DELETE CASCADE
);
